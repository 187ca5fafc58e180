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


class MessageNotFoundError(ServiceError):
    """The conversation has no such message, or none that this can be done with."""

    code = Code.NOT_FOUND
    reason = "MESSAGE_NOT_FOUND"


class TurnNotFoundError(ServiceError):
    """There is no such turn of this user, or its events are not kept any more."""

    code = Code.NOT_FOUND
    reason = "TURN_NOT_FOUND"


class TurnLostError(ServiceError):
    """The process that wrote the answer died; what had been kept of it was charged."""

    code = Code.UNAVAILABLE
    reason = "TURN_LOST"


class RequestConflictError(ServiceError):
    """The same request_id was used before, with other input."""

    code = Code.ALREADY_EXISTS
    reason = "REQUEST_CONFLICT"


class ContentRefusedError(ServiceError):
    """Moderation refused the question or the answer; metadata `layer` says which layer did."""

    code = Code.PERMISSION_DENIED
    reason = "CONTENT_REFUSED"


class ModelDownError(ServiceError):
    """No provider of a model answers: another model may."""


class UpstreamError(ModelDownError):
    """The provider failed."""

    code = Code.UNAVAILABLE
    reason = "UPSTREAM_ERROR"


class UpstreamBusyError(ModelDownError):
    """The provider asks us to slow down."""

    code = Code.UNAVAILABLE
    reason = "UPSTREAM_BUSY"


class UpstreamTimeoutError(ModelDownError):
    """The provider was silent for too long."""

    code = Code.DEADLINE_EXCEEDED
    reason = "UPSTREAM_TIMEOUT"
