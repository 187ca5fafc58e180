"""Nothing stays reserved beyond its time."""

import asyncio
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from services.billing.domain import State
from services.billing.operations import GrantCredit, Reserve, Settle
from services.billing.ports import StoreError
from services.billing.pricing import Price, Usage
from services.billing.reservations import ReservationMetrics
from services.billing.sweeper import Sweeper
from services.billing.writer import LedgerWriter, WriterMetrics
from tests.fakes.ledger_store import MemoryLedger

PRICE = Price(1_000_000, 1_000_000, 1_000_000, 0, 1_000_000)


def ledger_with_turns(overdue: int, running: int) -> MemoryLedger:
    """One user, whose turns began ten minutes ago and reserved 10 each."""
    store = MemoryLedger()
    begun = datetime.now(UTC) - timedelta(minutes=10)
    turns = [
        Reserve("u", f"r{n}", "m", 10, 0, PRICE, ttl_s=60 if n < overdue else 3_600) for n in range(overdue + running)
    ]
    store.commit([GrantCredit("u", "g", 100_000, ""), *turns], begun)
    return store


def sweeper(store: MemoryLedger, writer: LedgerWriter, every_s: float = 60) -> Sweeper:
    return Sweeper(store, writer, ReservationMetrics(CollectorRegistry()), every_s=every_s)


def open_turns(store: MemoryLedger) -> int:
    return sum(item.state is State.RESERVED for item in store.reservations.values())


async def test_what_is_overdue_is_given_back_and_what_runs_is_left_alone() -> None:
    store = ledger_with_turns(overdue=1_200, running=3)
    writer = LedgerWriter(store, WriterMetrics(CollectorRegistry()))
    async with writer.running():
        assert await sweeper(store, writer).sweep() == 1_200
        assert await sweeper(store, writer).sweep() == 0
    assert open_turns(store) == 3
    assert store.wallets["u"].reserved == 30


async def test_a_turn_that_is_settled_at_the_last_moment_stays_settled() -> None:
    store = ledger_with_turns(overdue=1, running=0)
    writer = LedgerWriter(store, WriterMetrics(CollectorRegistry()))
    async with writer.running():
        settled, swept = await asyncio.gather(
            writer.submit(Settle("u", "r0", Usage(5, 0), "completed")), sweeper(store, writer).sweep()
        )
    assert (settled.amount, swept) == (5, 0)
    assert store.wallets["u"].balance == 100_000 - 5


async def test_two_sweepers_give_back_once() -> None:
    store = ledger_with_turns(overdue=20, running=0)
    writer = LedgerWriter(store, WriterMetrics(CollectorRegistry()))
    async with writer.running():
        swept = await asyncio.gather(*(sweeper(store, writer).sweep() for _ in range(2)))
    assert sum(swept) == 20
    assert store.wallets["u"].reserved == 0


async def test_the_sweeper_goes_on_after_the_database_was_away() -> None:
    store = ledger_with_turns(overdue=2, running=0)
    failures = [StoreError("away", alone=False)]
    store.fails = lambda _: failures.pop() if failures else None
    writer = LedgerWriter(store, WriterMetrics(CollectorRegistry()), batch_every_s=0)
    async with writer.running():
        task = asyncio.create_task(sweeper(store, writer, every_s=0.01).run())
        async with asyncio.timeout(2):
            while open_turns(store):
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert failures == []
