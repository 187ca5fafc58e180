"""How a call of a provider fails, what the user is told, and whether somebody else may succeed. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from services.chat.errors import ModelNotFoundError, UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from services.runtime.errors import InvalidRequestError, ServiceError

# What a provider's 429 is worth waiting for when it does not say, and the longest that is believed.
_BUSY_S = 2.0
_BUSY_S_MAX = 600.0

# The same of what fails: it may be well again much sooner than it thinks.
_DOWN_S_MAX = 30.0

# What is wrong with the question: bad, too large, of a kind that is not taken.
_REFUSALS = frozenset({400, 413, 415, 422})

# What an account without money is called, by OpenAI with a 429 and by DeepSeek with a 402.
_NO_MONEY = "insufficient_quota"


class Kind(StrEnum):
    """Why a call failed; the words are those of the metrics."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    SERVER = "server"
    BROKEN = "broken"
    BUSY = "busy"
    KEY_REFUSED = "key_refused"
    NO_MODEL = "no_model"
    REFUSED = "refused"

    @property
    def is_final(self) -> bool:
        """Whether it is the question's fault: everybody else would refuse it, too."""
        return self is Kind.REFUSED

    @property
    def is_fault(self) -> bool:
        """Whether it speaks of the provider's health."""
        return self in _FAULTS

    @property
    def is_of_the_key(self) -> bool:
        """Whether another key of the same provider may well succeed."""
        return self in (Kind.BUSY, Kind.KEY_REFUSED)


_FAULTS = frozenset({Kind.CONNECTION, Kind.TIMEOUT, Kind.SERVER, Kind.BROKEN})


class CallFailedError(Exception):
    """A call failed; `error` is what the user is told, `pause_s` how long the provider wants its key left alone."""

    def __init__(self, kind: Kind, error: ServiceError, *, pause_s: float = 0.0) -> None:
        """Keep these."""
        super().__init__(kind.value)
        self.kind = kind
        self.error = error
        self.pause_s = pause_s


def broken_off(kind: Kind) -> CallFailedError:
    """A failure below HTTP: CONNECTION, TIMEOUT or BROKEN."""
    if kind is Kind.TIMEOUT:
        error: ServiceError = UpstreamTimeoutError("The model was silent for too long; ask again.", retry_after_s=1)
    else:
        error = UpstreamError("The model's provider cannot be reached or broke off; ask again.", retry_after_s=1)
    return CallFailedError(kind, error)


def refused(status: int, code: str | None, retry_after: str, model_id: str) -> CallFailedError:
    """What an HTTP status means.

    Args:
        status: 400 to 599.
        code: OpenAI's name of the error, if the body has one.
        retry_after: The header, "" when absent.
        model_id: Which model was asked.
    """
    pause_s = min(parse_retry_after_s(retry_after, datetime.now(UTC)) or 0.0, _BUSY_S_MAX)
    if status in (401, 402, 403) or code == _NO_MONEY:
        return CallFailedError(Kind.KEY_REFUSED, UpstreamError("The model's provider refuses our key."))
    if status == 404:
        gone = ModelNotFoundError("The provider does not run this model any more.", metadata={"model": model_id})
        return CallFailedError(Kind.NO_MODEL, gone)
    if status == 429:
        return CallFailedError(Kind.BUSY, busy(pause_s or _BUSY_S), pause_s=pause_s)
    if status in _REFUSALS:
        said = "The model refuses these parameters or messages; change them."
        return CallFailedError(Kind.REFUSED, InvalidRequestError(said, metadata={"problem": "model_refuses"}))
    pause_s = min(pause_s, _DOWN_S_MAX)
    failed = UpstreamError("The model's provider failed; ask again.", retry_after_s=pause_s or 1)
    return CallFailedError(Kind.SERVER, failed, pause_s=pause_s)


def busy(wait_s: float) -> UpstreamBusyError:
    """Everybody who runs the model asks us to slow down."""
    return UpstreamBusyError("The model is busy; try again shortly.", retry_after_s=wait_s)


def parse_retry_after_s(value: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks to wait, written as seconds or as a date (RFC 9110, 10.2.3)."""
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is one in UTC.
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
