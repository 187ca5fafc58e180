"""What a provider's refusals mean."""

from datetime import UTC, datetime

import pytest

from services.chat.errors import ModelNotFoundError, UpstreamBusyError, UpstreamError
from services.chat.upstreams.failures import Kind, parse_retry_after_s, refused
from services.runtime.errors import InvalidRequestError

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("²", None),
        ("Jan 99999999999 00:00:00 +0000 1", None),
    ],
)
def test_a_time_to_wait_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after_s(value, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code", "kind", "error"),
    [
        (400, None, Kind.REFUSED, InvalidRequestError),
        (413, None, Kind.REFUSED, InvalidRequestError),
        (422, None, Kind.REFUSED, InvalidRequestError),
        (401, None, Kind.KEY_REFUSED, UpstreamError),
        (402, None, Kind.KEY_REFUSED, UpstreamError),
        (403, None, Kind.KEY_REFUSED, UpstreamError),
        (429, "insufficient_quota", Kind.KEY_REFUSED, UpstreamError),
        (404, None, Kind.NO_MODEL, ModelNotFoundError),
        (429, "rate_limit_exceeded", Kind.BUSY, UpstreamBusyError),
        (405, None, Kind.SERVER, UpstreamError),
        (500, None, Kind.SERVER, UpstreamError),
        (503, None, Kind.SERVER, UpstreamError),
    ],
)
def test_each_status_has_a_meaning(status: int, code: str | None, kind: Kind, error: type[Exception]) -> None:
    failure = refused(status, code, "", "m")
    assert (failure.kind, type(failure.error)) == (kind, error)
    assert failure.kind.is_final is (kind is Kind.REFUSED)


def test_a_key_rests_as_long_as_the_provider_says_within_reason() -> None:
    assert refused(429, None, "7", "m").pause_s == 7
    assert refused(429, None, "86400", "m").pause_s == 600
    assert refused(429, None, "", "m").pause_s == 0
    assert refused(429, None, "", "m").error.retry_after_s == 2
    assert refused(503, None, "7", "m").pause_s == 7
    assert refused(503, None, "600", "m").pause_s == 30
    assert refused(500, None, "", "m").pause_s == 0
