"""The ledger in PostgreSQL: rows are locked, decided over, and written back, in one transaction a batch.

Locks are taken in the order of user ids, so batches of several billing processes wait for one another and never
deadlock. System accounts (revenue, promotions) have no row to lock: their balances are sums over the journal.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter

import asyncpg

from services.billing import sql
from services.billing.domain import (
    Grant,
    GrantCredit,
    Key,
    OpenWallet,
    Operation,
    Reservation,
    Result,
    State,
    Wallet,
)
from services.billing.ledger import Book
from services.billing.ports import StoreError
from services.billing.pricing import Price, Usage
from services.runtime.errors import ServiceError
from services.runtime.postgres import Connection

# What a transaction fails with when the database is away; everything else may be one operation's fault.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
)

# The fields of rows that are written, in the order of sql.WRITE.
_WALLET = attrgetter("user_id", "balance", "reserved")
_GRANT = attrgetter("user_id", "request_id", "amount", "reason")
_TRANSFER = attrgetter("debit_account", "credit_account", "amount", "kind", "user_id", "request_id")


class PostgresLedger:
    """The port `LedgerStore`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def apply(self, operations: Sequence[Operation], now: datetime) -> Sequence[Result | ServiceError]:
        """Carry operations out in order, in one transaction."""
        try:
            async with self._pool.acquire() as connection, connection.transaction(isolation="read_committed"):
                book = await _locked_book(connection, operations)
                results = [book.decide(operation, now) for operation in operations]
                await _write(connection, book)
        except _AWAY as error:
            raise StoreError(f"the database is away: {type(error).__name__}", alone=False) from error
        except asyncpg.PostgresError as error:
            raise StoreError(f"the transaction failed: {type(error).__name__}", alone=True) from error
        return results

    async def wallet(self, user_id: str) -> Wallet | None:
        """A wallet as it stands."""
        try:
            row = await self._pool.fetchrow(sql.WALLET, user_id)
        except (*_AWAY, asyncpg.PostgresError) as error:
            raise StoreError(f"the wallet cannot be read: {type(error).__name__}", alone=False) from error
        return _wallet(row) if row else None

    async def overdue(self, now: datetime, limit: int) -> Sequence[Key]:
        """Open reservations whose time is over."""
        try:
            rows = await self._pool.fetch(sql.OVERDUE, now, limit)
        except (*_AWAY, asyncpg.PostgresError) as error:
            raise StoreError(f"overdue reservations cannot be read: {type(error).__name__}", alone=False) from error
        return [(row["user_id"], row["request_id"]) for row in rows]


async def _locked_book(connection: Connection, operations: Sequence[Operation]) -> Book:
    users = [operation.user_id for operation in operations]
    requests = [operation.request_id for operation in operations]
    openers = [operation.user_id for operation in operations if isinstance(operation, OpenWallet | GrantCredit)]
    if openers:
        await connection.execute(sql.CREATE_WALLETS, openers)
    wallets = await connection.fetch(sql.LOCK_WALLETS, users)
    # Read after the locks are held, in statements of their own: each sees what others committed before it.
    reservations = await connection.fetch(sql.RESERVATIONS, users, requests)
    grants = await connection.fetch(sql.GRANTS, users, requests) if openers else []
    return Book(
        wallets={row["user_id"]: _wallet(row) for row in wallets},
        reservations={(row["user_id"], row["request_id"]): _reservation(row) for row in reservations},
        grants={(row["user_id"], row["request_id"]): _grant(row) for row in grants},
    )


async def _write(connection: Connection, book: Book) -> None:
    # Whatever changed, changed a wallet too.
    if not book.changed_wallets:
        return
    await connection.execute(
        sql.WRITE,
        *_columns(20, (_reservation_values(book.reservations[key]) for key in book.changed_reservations)),
        *_columns(4, map(_GRANT, book.new_grants)),
        *_columns(6, map(_TRANSFER, book.transfers)),
        *_columns(3, (_WALLET(book.wallets[user_id]) for user_id in book.changed_wallets)),
    )


def _columns(width: int, rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Rows as the `width` arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _wallet(row: asyncpg.Record) -> Wallet:
    return Wallet(row["user_id"], row["balance_micros"], row["reserved_micros"])


def _grant(row: asyncpg.Record) -> Grant:
    return Grant(row["user_id"], row["request_id"], row["amount_micros"], row["reason"])


def _reservation(row: asyncpg.Record) -> Reservation:
    usage = None
    if row["used_input_tokens"] is not None:
        usage = Usage(row["used_input_tokens"], row["used_output_tokens"], row["used_cached_tokens"])
    return Reservation(
        user_id=row["user_id"],
        request_id=row["request_id"],
        model=row["model"],
        input_tokens=row["input_tokens"],
        max_output_tokens=row["max_output_tokens"],
        amount=row["amount_micros"],
        price=Price(
            row["input_usd_micros"],
            row["cached_input_usd_micros"],
            row["output_usd_micros"],
            row["markup_basis_points"],
            row["cny_micros_per_usd"],
        ),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        state=State(row["state"]),
        usage=usage,
        outcome=row["outcome"],
        charged=row["charged_micros"],
        closed_at=row["closed_at"],
    )


def _reservation_values(item: Reservation) -> tuple[object, ...]:
    """In the order of sql.WRITE's reservations."""
    price, usage = item.price, item.usage
    return (
        item.user_id,
        item.request_id,
        item.model,
        item.input_tokens,
        item.max_output_tokens,
        item.amount,
        price.input_usd_micros,
        price.cached_input_usd_micros,
        price.output_usd_micros,
        price.markup_basis_points,
        price.cny_micros_per_usd,
        item.state.value,
        usage.input if usage else None,
        usage.cached_input if usage else None,
        usage.output if usage else None,
        item.outcome,
        item.charged,
        item.created_at,
        item.expires_at,
        item.closed_at,
    )
