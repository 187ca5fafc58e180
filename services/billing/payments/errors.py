"""Errors of payments; their reasons are documented in payments.proto."""

from services.runtime.errors import Code, ServiceError


class OrderNotFoundError(ServiceError):
    """The user has no such order."""

    code = Code.NOT_FOUND
    reason = "ORDER_NOT_FOUND"


class PackageNotFoundError(ServiceError):
    """There is no such package; metadata: `package_id`."""

    code = Code.NOT_FOUND
    reason = "PACKAGE_NOT_FOUND"


class ChannelUnavailableError(ServiceError):
    """Nothing is configured for this way of paying, or it cannot pay for this; metadata: `channel`."""

    code = Code.FAILED_PRECONDITION
    reason = "CHANNEL_UNAVAILABLE"


class OrderClosedError(ServiceError):
    """The order was closed unpaid, or its time is over."""

    code = Code.FAILED_PRECONDITION
    reason = "ORDER_CLOSED"


class TooManyOrdersError(ServiceError):
    """The user has too many orders waiting for payment; metadata: `limit`."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_ORDERS"


class ProviderNotFoundError(ServiceError):
    """There is no payment provider of this name."""

    code = Code.NOT_FOUND
    reason = "ROUTE_NOT_FOUND"


class OrderNotPaidError(ServiceError):
    """The order has not been paid, so nothing can be given back."""

    code = Code.FAILED_PRECONDITION
    reason = "ORDER_NOT_PAID"


class RefundTooLargeError(ServiceError):
    """More than is left of this top-up in the wallet; metadata: `refundable_fen`."""

    code = Code.FAILED_PRECONDITION
    reason = "REFUND_TOO_LARGE"


class RefundUnderWayError(ServiceError):
    """Virtual payment tells refunds apart by what is left of their order, so there is one at a time."""

    code = Code.FAILED_PRECONDITION
    reason = "REFUND_UNDER_WAY"


class RefundNotFoundError(ServiceError):
    """There is no such refund."""

    code = Code.NOT_FOUND
    reason = "REFUND_NOT_FOUND"


class PaymentRefusedError(ServiceError):
    """The provider refuses the order or the refund for good; metadata: `provider_code`."""

    code = Code.FAILED_PRECONDITION
    reason = "PAYMENT_REFUSED"


class PaymentUnavailableError(ServiceError):
    """The provider does not answer, or asks us to come back later."""

    code = Code.UNAVAILABLE
    reason = "PAYMENT_UNAVAILABLE"


class CallbackRefusedError(Exception):
    """A callback that must not be believed; `problem` is one word for logs and metrics, never said to the sender."""

    def __init__(self, problem: str) -> None:
        """Name the problem."""
        super().__init__(problem)
        self.problem = problem
