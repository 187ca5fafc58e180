"""The ledger in PostgreSQL: rows are locked, decided over, and written back, in one transaction a batch.

Locks are taken in the order of user ids, so batches of several billing processes wait for one another and never
deadlock. System accounts (revenue, promotions) have no row to lock: their balances are sums over the journal.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg

from services.billing import sql
from services.billing.ledger import (
    Book,
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


class PostgresLedger:
    """The port `LedgerStore`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def apply(self, operations: Sequence[Operation], now: datetime) -> Sequence[Result | ServiceError]:
        """Carry operations out in order, in one transaction."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
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
        rows = await self._pool.fetch(sql.OVERDUE, now, limit)
        return [(row["user_id"], row["request_id"]) for row in rows]


async def _locked_book(connection: Connection, operations: Sequence[Operation]) -> Book:
    openers = {operation.user_id for operation in operations if isinstance(operation, OpenWallet | GrantCredit)}
    if openers:
        await connection.execute(sql.CREATE_WALLETS, sorted(openers))
    users = sorted({operation.user_id for operation in operations})
    wallets = await connection.fetch(sql.LOCK_WALLETS, users)
    keys = [(operation.user_id, operation.request_id) for operation in operations]
    reservations = await connection.fetch(sql.RESERVATIONS, [key[0] for key in keys], [key[1] for key in keys])
    grants: Iterable[asyncpg.Record] = ()
    if openers:
        grants = await connection.fetch(sql.GRANTS, [key[0] for key in keys], [key[1] for key in keys])
    return Book(
        wallets={row["user_id"]: _wallet(row) for row in wallets},
        reservations={(row["user_id"], row["request_id"]): _reservation(row) for row in reservations},
        grants={(row["user_id"], row["request_id"]): _grant(row) for row in grants},
    )


async def _write(connection: Connection, book: Book) -> None:
    if book.changed_reservations:
        changed = [book.reservations[key] for key in sorted(book.changed_reservations)]
        await connection.execute(sql.PUT_RESERVATIONS, *_columns(_reservation_values(item) for item in changed))
    if book.new_grants:
        values = ((grant.user_id, grant.request_id, grant.amount, grant.reason) for grant in book.new_grants)
        await connection.execute(sql.ADD_GRANTS, *_columns(values))
    if book.transfers:
        moved = ((t.debit_account, t.credit_account, t.amount, t.kind, t.user_id, t.request_id) for t in book.transfers)
        await connection.execute(sql.ADD_TRANSFERS, *_columns(moved))
    if book.changed_wallets:
        after = [book.wallets[user_id] for user_id in sorted(book.changed_wallets)]
        await connection.execute(sql.PUT_WALLETS, *_columns((w.user_id, w.balance, w.reserved) for w in after))


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


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
    """In the order of sql.PUT_RESERVATIONS."""
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
