"""Errors that the gateway itself raises; `http_errors` gives each its status, `messages` its texts."""

from services.runtime.errors import Code, ServiceError


class InvalidApiKeyError(ServiceError):
    """The bearer token is missing, malformed, unknown, expired or revoked: the caller is never told which."""

    code = Code.UNAUTHENTICATED
    reason = "INVALID_API_KEY"

    def __init__(self) -> None:
        """Say the same thing always."""
        super().__init__("The bearer token is missing or not valid.")


class InvalidRefreshTokenError(ServiceError):
    """The refresh token is unknown, expired, used or revoked: the user must log in again."""

    code = Code.UNAUTHENTICATED
    reason = "INVALID_REFRESH_TOKEN"

    def __init__(self) -> None:
        """Say the same thing always."""
        super().__init__("The refresh token is not valid; log in again.")


class InvalidLoginCodeError(ServiceError):
    """WeChat does not know the login code, or it was used before."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_LOGIN_CODE"


class LoginBlockedError(ServiceError):
    """WeChat holds the user for too risky to log in."""

    code = Code.PERMISSION_DENIED
    reason = "LOGIN_BLOCKED"


class RateLimitedError(ServiceError):
    """The user makes too many requests a minute."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "RATE_LIMITED"


class TooManyTurnsError(ServiceError):
    """The user has too many turns running at once."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_TURNS"


class QueueFullError(ServiceError):
    """As many turns run and wait as this replica takes."""

    code = Code.UNAVAILABLE
    reason = "QUEUE_FULL"


class QueueTimeoutError(ServiceError):
    """A turn waited for its place longer than a turn may."""

    code = Code.UNAVAILABLE
    reason = "QUEUE_TIMEOUT"


class ScopeMissingError(ServiceError):
    """The API key is live and not for this; metadata `scope` is what it would need."""

    code = Code.PERMISSION_DENIED
    reason = "SCOPE_MISSING"


class KeyNotFoundError(ServiceError):
    """The user has no such live API key."""

    code = Code.NOT_FOUND
    reason = "KEY_NOT_FOUND"


class TooManyKeysError(ServiceError):
    """The user has as many API keys as a user may; metadata `limit` says how many."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_KEYS"


class TooManySocketsError(ServiceError):
    """The user has as many WebSockets open as a user may; metadata `limit` says how many."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_SOCKETS"


class NotOfferedError(ServiceError):
    """A path of OpenAI's API that this product does not offer; metadata `path` is which."""

    code = Code.NOT_FOUND
    reason = "NOT_OFFERED"


class UnsupportedEncodingError(ServiceError):
    """The body is packed in a way that is not read; metadata `encoding` is which."""

    code = Code.INVALID_ARGUMENT
    reason = "UNSUPPORTED_ENCODING"


class RequestTimeoutError(ServiceError):
    """The body comes too slowly."""

    code = Code.DEADLINE_EXCEEDED
    reason = "REQUEST_TIMEOUT"


class MinorHoursError(ServiceError):
    """The user is in minors' mode, and it is night; metadata: `from` and `to`, the hours of UTC+8 to chat in."""

    code = Code.PERMISSION_DENIED
    reason = "MINOR_HOURS"


class PurchaseHiddenError(ServiceError):
    """The platform lets this client buy nothing, or not over this channel; metadata: `problem`, `client`."""

    code = Code.PERMISSION_DENIED
    reason = "PURCHASE_HIDDEN"


class RequestTooLargeError(ServiceError):
    """The body is larger than the gateway takes."""

    code = Code.OUT_OF_RANGE
    reason = "REQUEST_TOO_LARGE"


class RouteNotFoundError(ServiceError):
    """There is nothing at this path."""

    code = Code.NOT_FOUND
    reason = "ROUTE_NOT_FOUND"


class MethodNotAllowedError(ServiceError):
    """The path exists, and takes other methods; metadata `allow` lists them."""

    code = Code.UNIMPLEMENTED
    reason = "METHOD_NOT_ALLOWED"


class TurnTimeoutError(ServiceError):
    """The turn took longer than a turn may."""

    code = Code.DEADLINE_EXCEEDED
    reason = "UPSTREAM_TIMEOUT"


class InternalError(ServiceError):
    """Something unexpected happened; it has been logged."""


class ClientGoneError(Exception):
    """The client closed the connection: nobody is left to answer."""
