"""The port `LedgerStore`, in memory: the same rules over dictionaries, and failures on demand."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.billing.book import Book
from services.billing.domain import (
    Grant,
    GrantCredit,
    Key,
    OpenWallet,
    Operation,
    Reservation,
    Result,
    State,
    Transfer,
    Wallet,
)
from services.billing.ledger import decide
from services.billing.payments.domain import Order, Refund
from services.billing.ports import StoreError
from services.runtime.errors import ServiceError


@dataclass
class MemoryLedger:
    """Keeps what was committed; `fails` says with what a batch fails, and `delay_s` how long a commit takes."""

    delay_s: float = 0
    fails: Callable[[Sequence[Operation]], StoreError | None] = lambda operations: None
    wallets: dict[str, Wallet] = field(default_factory=dict)
    reservations: dict[Key, Reservation] = field(default_factory=dict)
    grants: dict[Key, Grant] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    journal: list[Transfer] = field(default_factory=list)
    batches: list[list[Operation]] = field(default_factory=list)

    def commit(self, operations: Sequence[Operation], now: datetime) -> list[Result | ServiceError]:
        """Decide over copies of the rows, and keep what changed."""
        openers = {operation.user_id for operation in operations if isinstance(operation, OpenWallet | GrantCredit)}
        fresh = {user_id: Wallet(user_id) for user_id in openers}
        book = Book(
            fresh | self.wallets, dict(self.reservations), dict(self.grants), dict(self.orders), dict(self.refunds)
        )
        results = [decide(book, operation, now) for operation in operations]
        self.wallets, self.reservations, self.grants = book.wallets, book.reservations, book.grants
        self.orders, self.refunds = book.orders, book.refunds
        self.journal += book.transfers
        return results

    async def apply(self, operations: Sequence[Operation], now: datetime) -> Sequence[Result | ServiceError]:
        """Commit a batch, unless it fails."""
        self.batches.append(list(operations))
        await asyncio.sleep(self.delay_s)
        if (failure := self.fails(operations)) is not None:
            raise failure
        return self.commit(operations, now)

    async def wallet(self, user_id: str) -> Wallet | None:
        """A wallet."""
        return self.wallets.get(user_id)

    async def overdue(self, now: datetime, limit: int) -> Sequence[Key]:
        """Open reservations whose time is over."""
        late = [r for r in self.reservations.values() if r.state is State.RESERVED and r.expires_at <= now]
        return [(r.user_id, r.request_id) for r in sorted(late, key=lambda r: r.expires_at)[:limit]]
