"""What payments need from the outside."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from services.billing.payments.domain import (
    Answer,
    BillRow,
    Callback,
    Channel,
    Notice,
    Order,
    Refund,
    RefundStatus,
    Trade,
)


class PaymentProvider(Protocol):
    """Someone who takes money for us: one account, one callback address, one or more channels.

    Every method that asks the provider raises PaymentUnavailableError when it does not answer, or answers what cannot
    be believed, and PaymentRefusedError when it says no for good.
    """

    @property
    def name(self) -> str:
        """As in `/v1/payments/{provider}/notify`: [a-z0-9-]."""
        ...

    @property
    def channels(self) -> frozenset[Channel]:
        """The ways to pay."""
        ...

    async def prepay(self, order: Order, now: datetime) -> Mapping[str, str]:
        """Announce an order; answers what the client hands to WeChat. Repeating it is safe."""
        ...

    async def read(self, callback: Callback, now: datetime) -> Notice:
        """Verify a callback and say what it is about.

        Raises:
            CallbackRefusedError: It must not be believed.
        """
        ...

    def echo(self, query: Mapping[str, str]) -> str | None:
        """What a provider that verifies the callback's address by a GET wants to hear; None refuses."""
        ...

    def accepted(self) -> Answer:
        """What a callback is answered when it was taken."""
        ...

    def refused(self) -> Answer:
        """What a callback is answered when it is not believed."""
        ...

    def later(self) -> Answer:
        """What a callback is answered when it could not be taken now and should come again."""
        ...

    async def query(self, order: Order) -> Trade:
        """How the order stands."""
        ...

    async def deliver(self, order: Order) -> None:
        """Tell the provider that a paid order was credited, if it wants to know; repeating it is safe."""
        ...

    async def close(self, order: Order) -> None:
        """Make sure that an unpaid order cannot be paid any more; repeating it is safe.

        Raises:
            PaymentRefusedError: It was paid meanwhile.
        """
        ...

    async def refund(self, order: Order, refund: Refund) -> RefundStatus:
        """Give money back; repeating it with the same `out_refund_no` gives it back once."""
        ...

    async def query_refund(self, order: Order, refund: Refund) -> RefundStatus:
        """How the refund stands."""
        ...

    async def bill(self, day: date) -> Sequence[BillRow] | None:
        """Everything that happened on a day of UTC+8; None when this provider has no bills."""
        ...


class ExchangeRate(Protocol):
    """What a dollar costs."""

    @property
    def cny_micros_per_usd(self) -> int:
        """Micro-yuan for a dollar."""
        ...


class ExchangeRates(Protocol):
    """Knows what a dollar costs."""

    def rate(self) -> ExchangeRate:
        """The rate of now; UnavailableError when it is older than it may be."""
        ...
