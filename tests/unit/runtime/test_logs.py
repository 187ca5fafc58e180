"""Logs: JSON, one line an event, without secrets."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.runtime.logs import configure_logging, redact


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """Other tests log as before."""
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("chat", "chat-0", "INFO")
    with structlog.contextvars.bound_contextvars(trace_id="ab" * 16):
        structlog.get_logger().info("served", turn=1)
        structlog.get_logger().debug("not at this level")
    logging.getLogger("library").warning("two\nlines")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ours["event"] == "served"
    assert (ours["service"], ours["instance"], ours["trace_id"]) == ("chat", "chat-0", "ab" * 16)
    assert (theirs["event"], theirs["logger"]) == ("two\nlines", "library")


@pytest.mark.parametrize(
    "text",
    [
        "key sk-qq-abcdefgh12345678",
        "token rt-qq-abcdefgh12345678",
        "Authorization: Bearer abc.def-ghi",
        "it was eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmNkZWZnaCJ9.s3cret_-signature",
        "postgresql://user:s3cret-pass@host/db",
        "redis://:s3cret-pass@host:6379/0",
        "POST https://api.weixin.qq.com/wxa/msg_sec_check?access_token=s3cret_token&x=1",
    ],
)
def test_what_looks_like_a_secret_is_redacted(text: str) -> None:
    redacted = redact(text)
    assert "[redacted]" in redacted
    assert not any(secret in redacted for secret in ("abcdefgh", "abc.def", "eyJzdWI", "s3cret"))


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8080/v1", "eyJ alone", "task-oriented and part-timekeeping", "at 12:30 a@b"]
)
def test_what_only_resembles_one_stays(text: str) -> None:
    assert redact(text) == text
