"""Errors of a turn; their reasons are documented in chat.proto."""

from services.runtime.errors import Code, ServiceError


class ContextTooLongError(ServiceError):
    """What must be sent does not fit the model."""

    code = Code.INVALID_ARGUMENT
    reason = "CONTEXT_TOO_LONG"


class ModelNotFoundError(ServiceError):
    """There is no such model."""

    code = Code.NOT_FOUND
    reason = "MODEL_NOT_FOUND"


class ConversationNotFoundError(ServiceError):
    """There is no such conversation, or it is another user's: a caller cannot tell which."""

    code = Code.NOT_FOUND
    reason = "CONVERSATION_NOT_FOUND"


class ContentRefusedError(ServiceError):
    """Moderation refused the question or the answer; metadata `layer` says which layer did."""

    code = Code.PERMISSION_DENIED
    reason = "CONTENT_REFUSED"


class UpstreamError(ServiceError):
    """The provider failed."""

    code = Code.UNAVAILABLE
    reason = "UPSTREAM_ERROR"


class UpstreamBusyError(ServiceError):
    """The provider asks us to slow down."""

    code = Code.UNAVAILABLE
    reason = "UPSTREAM_BUSY"


class UpstreamTimeoutError(ServiceError):
    """The provider was silent for too long."""

    code = Code.DEADLINE_EXCEEDED
    reason = "UPSTREAM_TIMEOUT"
