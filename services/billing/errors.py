"""Errors of the ledger; their reasons are documented in billing.proto."""

from services.runtime.errors import Code, ServiceError


class InsufficientQuotaError(ServiceError):
    """The wallet cannot afford the turn; metadata: `required_micros`, `available_micros`."""

    code = Code.FAILED_PRECONDITION
    reason = "INSUFFICIENT_QUOTA"


class ModelNotPricedError(ServiceError):
    """Nobody has said what the model costs; metadata `model` is which."""

    code = Code.FAILED_PRECONDITION
    reason = "MODEL_NOT_PRICED"


class RequestConflictError(ServiceError):
    """The same request_id came before, with other content."""

    code = Code.ALREADY_EXISTS
    reason = "REQUEST_CONFLICT"

    @classmethod
    def used_before(cls) -> "RequestConflictError":
        """The usual sentence."""
        return cls("This request_id was used before with other content: use a new one.")


class WalletNotFoundError(ServiceError):
    """The user has no wallet."""

    code = Code.NOT_FOUND
    reason = "WALLET_NOT_FOUND"


class ReservationNotFoundError(ServiceError):
    """There is no reservation of that request_id."""

    code = Code.NOT_FOUND
    reason = "RESERVATION_NOT_FOUND"

    @classmethod
    def of_request(cls) -> "ReservationNotFoundError":
        """The usual sentence."""
        return cls("There is no reservation of this request_id.")


class ReservationClosedError(ServiceError):
    """The reservation was already settled, released, or has expired; metadata: `state`."""

    code = Code.FAILED_PRECONDITION
    reason = "RESERVATION_CLOSED"
