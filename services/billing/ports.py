"""What billing's parts need from one another."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.billing.domain import Key, Wallet
from services.billing.operations import Operation, Result
from services.billing.pricing import Price
from services.runtime.errors import ServiceError


class LedgerStore(Protocol):
    """Where the ledger is kept."""

    async def apply(self, operations: Sequence[Operation], now: datetime) -> Sequence[Result | ServiceError]:
        """Carry operations out in order, in one transaction; answers one outcome an operation.

        Raises:
            StoreError: The transaction as a whole failed.
        """
        ...

    async def wallet(self, user_id: str) -> Wallet | None:
        """A wallet as it stands; None when there is none."""
        ...

    async def topped_up(self, user_id: str) -> bool:
        """Whether the user has paid for a top-up, ever.

        Raises:
            StoreError: It cannot be read.
        """
        ...

    async def overdue(self, now: datetime, limit: int) -> Sequence[Key]:
        """Open reservations whose time is over, the oldest first."""
        ...


class Prices(Protocol):
    """The price book."""

    def price(self, model: str) -> Price:
        """What a model costs now."""
        ...


class StoreError(Exception):
    """A transaction failed; `alone` says that its operations may succeed one by one."""

    def __init__(self, message: str, *, alone: bool) -> None:
        """Say what happened, for the log."""
        super().__init__(message)
        self.alone = alone
