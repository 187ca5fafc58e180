"""The port `LedgerStore`, in memory: the same rules over dictionaries, and failures on demand."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.billing import chain
from services.billing.book import Book
from services.billing.chain import Head
from services.billing.domain import Grant, Key, Kind, Reservation, State, Transfer, Wallet
from services.billing.ledger import decide
from services.billing.operations import GrantCredit, OpenWallet, Operation, Result
from services.billing.payments.domain import Order, Refund
from services.billing.ports import StoreError
from services.runtime.errors import ServiceError
from tests.ledger.books import Books, Entry


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
    entries: list[Entry] = field(default_factory=list)
    head: Head = field(default_factory=lambda: Head(chain_id=1))
    batches: list[list[Operation]] = field(default_factory=list)

    @property
    def journal(self) -> list[Transfer]:
        """What moved."""
        return [entry.transfer for entry in self.entries]

    def books(self) -> Books:
        """Everything, as it stands."""
        return Books(
            dict(self.wallets),
            dict(self.reservations),
            dict(self.grants),
            dict(self.orders),
            dict(self.refunds),
            list(self.entries),
            {self.head.chain_id: self.head},
        )

    def put_order(self, order: Order) -> None:
        """Someone wants to buy, and so has a wallet."""
        self.orders[order.out_trade_no] = order
        self.wallets.setdefault(order.user_id, Wallet(order.user_id))

    def commit(self, operations: Sequence[Operation], now: datetime) -> list[Result | ServiceError]:
        """Decide over copies of the rows, and keep what changed."""
        book, results = self.decided(operations, now)
        self.wallets, self.reservations, self.grants = book.wallets, book.reservations, book.grants
        self.orders, self.refunds = book.orders, book.refunds
        links, self.head = chain.extend(self.head, book.transfers, now)
        self.entries += [Entry(*added) for added in zip(book.transfers, [now] * len(links), links, strict=True)]
        return results

    def decided(self, operations: Sequence[Operation], now: datetime) -> tuple[Book, list[Result | ServiceError]]:
        """Decide, and keep nothing."""
        openers = {operation.user_id for operation in operations if isinstance(operation, OpenWallet | GrantCredit)}
        fresh = {user_id: Wallet(user_id) for user_id in openers}
        book = Book(
            fresh | self.wallets, dict(self.reservations), dict(self.grants), dict(self.orders), dict(self.refunds)
        )
        return book, [decide(book, operation, now) for operation in operations]

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

    async def topped_up(self, user_id: str) -> bool:
        """Whether an order was paid."""
        return any(entry.transfer.kind is Kind.TOPUP and entry.transfer.user_id == user_id for entry in self.entries)

    async def overdue(self, now: datetime, limit: int) -> Sequence[Key]:
        """Open reservations whose time is over."""
        late = [r for r in self.reservations.values() if r.state is State.RESERVED and r.expires_at <= now]
        return [(r.user_id, r.request_id) for r in sorted(late, key=lambda r: r.expires_at)[:limit]]
