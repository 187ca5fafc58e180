"""Errors that own their wire form: a canonical gRPC code and one stable reason.

Pure: every domain may import this. `services.runtime.status` carries these errors over gRPC, the gateway turns them
into OpenAI's error shape.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar

# The domain of every google.rpc.ErrorInfo of ours.
ERROR_DOMAIN = "queqiao"


class Code(IntEnum):
    """The canonical codes of google.rpc.Code that we use, with their numbers."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


# What is the server's fault, by OpenTelemetry's semantic conventions for gRPC.
FAULTS = (Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS)


class ServiceError(Exception):
    """An error that a caller may see.

    A subclass fixes `code` and `reason`; the message is one English sentence for developers. It must never contain
    what a user wrote, a secret, SQL or a driver's own message.
    """

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Say what went wrong.

        Args:
            message: One sentence that says what to do.
            metadata: Facts for programs and for the translated text, such as {"model": "gpt-4o"}.
            retry_after_s: Set when the same request can succeed after this many seconds.
            fields: What is wrong with which field of the request, by the field's path.
        """
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s
        self.fields = dict(fields or {})

    @property
    def wire_code(self) -> Code:
        """The canonical code that travels."""
        return self.code

    @property
    def wire_reason(self) -> str:
        """The reason that travels."""
        return self.reason


class RemoteError(ServiceError):
    """An error that another service answered, passed on as it came."""

    def __init__(
        self,
        code: Code,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the other service said."""
        super().__init__(message, metadata=metadata, retry_after_s=retry_after_s, fields=fields)
        self._code = code
        self._reason = reason

    @property
    def wire_code(self) -> Code:
        """The code the other service gave."""
        return self._code

    @property
    def wire_reason(self) -> str:
        """The reason the other service gave."""
        return self._reason


class InvalidRequestError(ServiceError):
    """The request cannot be understood; `fields` names what is wrong."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"


class UnavailableError(ServiceError):
    """A part that this request needs does not answer."""

    code = Code.UNAVAILABLE
    reason = "SERVICE_UNAVAILABLE"


class UnknownCallError(UnavailableError):
    """A part does not know this call: it is from before it, and about to be replaced."""


class StartupError(Exception):
    """The process cannot start; the message is one sentence that says what to do about it."""


class ConfigurationError(StartupError):
    """The process was told something wrong: starting it again helps nobody until that is mended."""
