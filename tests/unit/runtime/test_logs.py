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
    ["key sk-qq-abcdefgh12345678", "Authorization: Bearer abc.def-ghi", "postgresql://user:s3cret-pass@host/db"],
)
def test_what_looks_like_a_secret_is_redacted(text: str) -> None:
    redacted = redact(text)
    assert "[redacted]" in redacted
    assert not any(secret in redacted for secret in ("abcdefgh", "abc.def", "s3cret"))
