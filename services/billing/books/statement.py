"""A user's statement, receipts and usage."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import asyncpg

from services.billing import rows
from services.billing import sql as ledger_sql
from services.billing.books import sql
from services.billing.books.domain import Transaction, UsageLine
from services.billing.domain import Kind, Reservation
from services.billing.errors import ReservationNotFoundError
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

# Higher than any entry's number.
_NEWEST = 2**63 - 1

_OF_TURNS = (Kind.TURN, Kind.REVERSAL)


class StatementReader:
    """Reads; every method raises UnavailableError when the database does not answer."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", *, ledger: "asyncpg.Pool[asyncpg.Record] | None" = None
    ) -> None:
        """Read from this pool, a replica's perhaps; a receipt from the ledger itself, for it is asked for at once."""
        self._pool = pool
        self._ledger = ledger or pool

    async def transactions(
        self,
        user_id: str,
        *,
        before: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int,
    ) -> list[Transaction]:
        """What moved a wallet's balance, the newest first, from before an entry's number on."""
        with _answering():
            found = await self._pool.fetch(sql.TRANSACTIONS, user_id, before or _NEWEST, start, end, limit)
            requests = [row["request_id"] for row in found if row["kind"] in _OF_TURNS]
            turns = await self._pool.fetch(ledger_sql.RESERVATIONS, [user_id] * len(requests), requests)
        by_request = {row["request_id"]: rows.reservation(row) for row in turns}
        return [_transaction(row, by_request) for row in found]

    async def receipt(self, user_id: str, request_id: str) -> Reservation:
        """What a turn was charged for.

        Raises:
            ReservationNotFoundError: The user had no such turn.
        """
        with _answering():
            row = await self._ledger.fetchrow(ledger_sql.RESERVATIONS, [user_id], [request_id])
        if row is None:
            raise ReservationNotFoundError.of_request()
        return rows.reservation(row)

    async def usage(self, user_id: str, start: datetime, end: datetime) -> list[UsageLine]:
        """Charged turns by day and model, the newest day first."""
        with _answering():
            found = await self._pool.fetch(sql.USAGE, user_id, start, end)
        return [
            UsageLine(
                day=row["day"],
                model=row["model"],
                turns=row["turns"],
                input_tokens=row["input_tokens"],
                cached_input_tokens=row["cached_input_tokens"],
                output_tokens=row["output_tokens"],
                charged=int(row["charged"]),
            )
            for row in found
        ]


def _transaction(row: asyncpg.Record, turns: dict[str, Reservation]) -> Transaction:
    incoming = row["credit_account"].startswith("wallet:")
    kind = Kind(row["kind"])
    return Transaction(
        id=row["id"],
        kind=kind,
        amount=row["amount_micros"] if incoming else -row["amount_micros"],
        balance_after=row["wallet_balance_micros"],
        request_id=row["request_id"],
        created_at=row["created_at"],
        turn=turns.get(row["request_id"]) if kind in _OF_TURNS else None,
    )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except FAILED:
        raise UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1) from None
