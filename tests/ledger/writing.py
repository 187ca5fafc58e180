"""Writing to the ledger in PostgreSQL, as the tests of its invariants do."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from services.billing.books.verifier import Verifier
from services.billing.domain import Source
from services.billing.operations import (
    Charge,
    EndRefund,
    GrantCredit,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    RefundEnd,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
    VoidCharge,
)
from services.billing.payments.store import PaymentStore
from services.billing.pricing import Price, Usage
from services.billing.store import PostgresLedger
from services.runtime.errors import ServiceError
from tests.ledger.books import Books, assert_sound
from tests.ledger.operations import order
from tests.ledger.postgres import Pool, read_books

# A micro-yuan a token, in and out; half of it for cached input.
PRICE = Price(1_000_000, 500_000, 1_000_000, 0, 1_000_000)


def now() -> datetime:
    return datetime.now(UTC)


def reserve(request_id: str, user_id: str = "u", micros: int = 100) -> Reserve:
    return Reserve(user_id, request_id, "m", micros, 0, PRICE, 900)


def settle(request_id: str, user_id: str = "u", micros: int = 100) -> Settle:
    return Settle(user_id, request_id, Usage(micros, 0), "completed")


def charge(request_id: str, user_id: str = "u", micros: int = 100, run_id: str = "run") -> Charge:
    return Charge(user_id, request_id, "m", Usage(micros, 0), Source.CACHE, run_id, PRICE)


async def done(pool: Pool, *operations: Operation) -> list[Result]:
    outcomes = await PostgresLedger(pool).apply(operations, now())
    for outcome in outcomes:
        assert isinstance(outcome, Result), outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Result)]


async def sound_books(pool: Pool) -> Books:
    """The books, after everything about them was checked here and by the verifier."""
    async with pool.acquire() as connection:
        books = await read_books(connection)
    assert_sound(books)
    verification = await Verifier(pool).verify()
    assert verification is not None
    assert verification.findings == ()
    return books


async def top_up(pool: Pool, number: str, user_id: str, amount_fen: int) -> None:
    await PaymentStore(pool).add_order(order(number, user_id, amount_fen), waiting_max=9)
    await done(pool, PayOrder(user_id, number, amount_fen, f"wx{number}", now()))


async def refund(pool: Pool, number: str, user_id: str, out_trade_no: str, amount_fen: int) -> None:
    await done(pool, HoldRefund(user_id, number, "r", out_trade_no, amount_fen, "why"))
    await done(pool, EndRefund(user_id, number, RefundEnd.DONE, "wx-refund"))


async def everything_once(pool: Pool) -> None:
    """Every kind of transfer."""
    await done(pool, OpenWallet("u", 1_000), GrantCredit("u", "g", 500, "why"))
    await top_up(pool, "order1", "u", 300)
    await done(pool, reserve("kept"), reserve("back"), settle("kept", micros=70), settle("back"), reserve("open"))
    await done(pool, ReverseTurn("u", "back"))
    await refund(pool, "refund1", "u", "order1", 100)
    await done(pool, charge("hit", micros=30), charge("unseen"), VoidCharge(charge("unseen")))
    await done(pool, VoidCharge(charge("late")))


async def several(pool: Pool, writers: int, batches: Sequence[Sequence[Operation]]) -> list[Result | ServiceError]:
    """Write batches, several at a time."""
    waiting = list(batches)
    outcomes: list[Result | ServiceError] = []

    async def write() -> None:
        while waiting:
            outcomes.extend(await PostgresLedger(pool).apply(waiting.pop(), now()))

    await asyncio.gather(*(write() for _ in range(writers)))
    return outcomes
