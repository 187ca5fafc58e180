"""Errors of moderation; their reasons are documented in its protos."""

from services.runtime.errors import Code, ServiceError


class LayerDownError(Exception):
    """A remote layer does not answer, in time or at all, or has no quota left; `why` is one word for metrics."""

    def __init__(self, why: str) -> None:
        """Say why: timeout, error, quota, open (the circuit is), budget, too_long."""
        super().__init__(why)
        self.why = why


class ModerationUnavailableError(ServiceError):
    """A layer is down, and the policy is to refuse what it cannot judge."""

    code = Code.UNAVAILABLE
    reason = "MODERATION_UNAVAILABLE"


class InvalidListError(ServiceError):
    """A word list has something wrong in it; `fields` names the lines."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_LIST"


class InvalidWeightsError(ServiceError):
    """A weights file is damaged or makes no sense."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_WEIGHTS"


class TrainingNotAllowedError(ServiceError):
    """The owner has not consented that kept texts are trained on."""

    code = Code.FAILED_PRECONDITION
    reason = "TRAINING_NOT_ALLOWED"


class ListNotFoundError(ServiceError):
    """There is no stored list of that name."""

    code = Code.NOT_FOUND
    reason = "LIST_NOT_FOUND"


class EntryNotFoundError(ServiceError):
    """The list has no such entry."""

    code = Code.NOT_FOUND
    reason = "ENTRY_NOT_FOUND"


class VersionNotFoundError(ServiceError):
    """There never was such a version."""

    code = Code.NOT_FOUND
    reason = "VERSION_NOT_FOUND"


class RefusalNotFoundError(ServiceError):
    """There is no such refusal, or it is no longer kept."""

    code = Code.NOT_FOUND
    reason = "REFUSAL_NOT_FOUND"


class AppealImpossibleError(ServiceError):
    """A remote layer refused: no list changes its judgement."""

    code = Code.FAILED_PRECONDITION
    reason = "APPEAL_IMPOSSIBLE"
