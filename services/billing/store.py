"""The ledger in PostgreSQL: rows are locked, decided over, and written back, in one transaction a batch.

Locks are taken in one order (wallets by user id, then orders, then refunds), so batches of several billing processes
wait for one another and never deadlock. System accounts (revenue, promotions …) have no row to lock: their balances are
sums over the journal, and an account that everyone's money passes through is no bottleneck.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.billing import chain, rows, sql
from services.billing.book import Book
from services.billing.chain import Head, Link
from services.billing.domain import Key, Wallet
from services.billing.ledger import decide
from services.billing.operations import (
    EndRefund,
    Expire,
    GrantCredit,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    Release,
    Reserve,
    Result,
)
from services.billing.payments import rows as payment_rows
from services.billing.payments import sql as payment_sql
from services.billing.ports import StoreError
from services.runtime.errors import ServiceError
from services.runtime.postgres import AWAY, FAILED, Connection

# What moves no money, and so needs no chain.
_STILL = (Reserve, Release, Expire, HoldRefund)


class PostgresLedger:
    """The port `LedgerStore`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def apply(self, operations: Sequence[Operation], now: datetime) -> Sequence[Result | ServiceError]:
        """Carry operations out in order, in one transaction."""
        try:
            async with self._pool.acquire() as connection, connection.transaction(isolation="read_committed"):
                book, head = await _locked_book(connection, operations)
                results = [decide(book, operation, now) for operation in operations]
                await _write(connection, book, head, now)
        except AWAY as error:
            raise StoreError(f"the database is away: {type(error).__name__}", alone=False) from error
        except asyncpg.PostgresError as error:
            raise StoreError(f"the transaction failed: {type(error).__name__}", alone=True) from error
        return results

    async def wallet(self, user_id: str) -> Wallet | None:
        """A wallet as it stands."""
        try:
            row = await self._pool.fetchrow(sql.WALLET, user_id)
        except FAILED as error:
            raise StoreError(f"the wallet cannot be read: {type(error).__name__}", alone=False) from error
        return rows.wallet(row) if row else None

    async def topped_up(self, user_id: str) -> bool:
        """Whether an order of this user was ever paid."""
        try:
            return bool(await self._pool.fetchval(sql.TOPPED_UP, user_id))
        except FAILED as error:
            raise StoreError(f"the orders cannot be read: {type(error).__name__}", alone=False) from error

    async def overdue(self, now: datetime, limit: int) -> Sequence[Key]:
        """Open reservations whose time is over."""
        try:
            found = await self._pool.fetch(sql.OVERDUE, now, limit)
        except FAILED as error:
            raise StoreError(f"overdue reservations cannot be read: {type(error).__name__}", alone=False) from error
        return [(row["user_id"], row["request_id"]) for row in found]


async def _locked_book(connection: Connection, operations: Sequence[Operation]) -> tuple[Book, Head | None]:
    users = [operation.user_id for operation in operations]
    requests = [operation.request_id for operation in operations]
    openers = [operation.user_id for operation in operations if isinstance(operation, OpenWallet | GrantCredit)]
    if openers:
        await connection.execute(sql.CREATE_WALLETS, openers)
    moving = any(not isinstance(operation, _STILL) for operation in operations)
    wallets = await connection.fetch(sql.LOCK_WALLETS_AND_CHAIN if moving else sql.LOCK_WALLETS, users)
    # Read after the locks are held, in statements of their own: each sees what others committed before it.
    reservations = await connection.fetch(sql.RESERVATIONS, users, requests)
    grants = await connection.fetch(sql.GRANTS, users, requests) if openers else []
    book = Book(
        wallets={row["user_id"]: rows.wallet(row) for row in wallets},
        reservations={(row["user_id"], row["request_id"]): rows.reservation(row) for row in reservations},
        grants={(row["user_id"], row["request_id"]): rows.grant(row) for row in grants},
    )
    await _lock_payments(connection, book, operations)
    head = None
    if moving and wallets:
        chained = wallets[0] if wallets[0]["chain_id"] is not None else await connection.fetchrow(sql.ADD_CHAIN)
        head = rows.head(chained) if chained is not None else None
    return book, head


async def _lock_payments(connection: Connection, book: Book, operations: Sequence[Operation]) -> None:
    holds = [operation for operation in operations if isinstance(operation, HoldRefund)]
    ends = [operation.request_id for operation in operations if isinstance(operation, EndRefund)]
    orders = [operation.request_id for operation in operations if isinstance(operation, PayOrder)]
    if not (holds or ends or orders):
        return
    users = [hold.user_id for hold in holds]
    orders += [hold.out_trade_no for hold in holds]
    for row in await connection.fetch(payment_sql.LOCK_ORDERS, orders, ends, users):
        book.orders[row["out_trade_no"]] = payment_rows.order(row)
    named = [*ends, *(hold.request_id for hold in holds)]
    for row in await connection.fetch(payment_sql.REFUNDS, named, users):
        book.refunds[row["out_refund_no"]] = payment_rows.refund(row)


async def _write(connection: Connection, book: Book, head: Head | None, now: datetime) -> None:
    if book.changed_orders:
        changes = [payment_rows.order_change(book.orders[number]) for number in book.changed_orders]
        await connection.execute(payment_sql.WRITE_ORDERS, *rows.columns(payment_rows.ORDER_CHANGE_WIDTH, changes))
    if book.changed_refunds:
        refunds = [payment_rows.refund_values(book.refunds[number]) for number in book.changed_refunds]
        await connection.execute(payment_sql.WRITE_REFUNDS, *rows.columns(payment_rows.REFUND_WIDTH, refunds))
    # Whatever else changed, changed a wallet too.
    if not book.changed_wallets:
        return
    links: list[Link] = []
    end = Head(0)
    if book.transfers:
        if head is None:
            raise AssertionError("money moves without a chain to record it")
        links, end = chain.extend(head, book.transfers, now)
    wallets = [book.wallets[user_id] for user_id in book.changed_wallets]
    await connection.execute(
        sql.WRITE,
        *rows.columns(
            rows.RESERVATION_WIDTH,
            (rows.reservation_values(book.reservations[key]) for key in book.changed_reservations),
        ),
        *rows.columns(rows.GRANT_WIDTH, map(rows.grant_values, book.new_grants)),
        *rows.columns(rows.TRANSFER_WIDTH, map(rows.transfer_values, book.transfers, links)),
        end.length,
        end.sha256,
        now,
        *rows.columns(3, ((wallet.user_id, wallet.balance, wallet.reserved) for wallet in wallets)),
    )
