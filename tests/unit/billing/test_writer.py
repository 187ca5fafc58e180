"""Group commit: who waits shares a transaction, and nobody pays for a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from services.billing.domain import Source
from services.billing.operations import Charge, GrantCredit, OpenWallet, Operation, Reserve, Result, Settle, VoidCharge
from services.billing.ports import StoreError
from services.billing.pricing import Price, Usage
from services.billing.writer import LedgerWriter, WriterMetrics
from services.runtime.errors import ServiceError, UnavailableError
from tests.fakes.ledger_store import MemoryLedger

PRICE = Price(1_000_000, 1_000_000, 1_000_000, 0, 1_000_000)


def writer(
    store: MemoryLedger, *, batch_max: int = 256, batch_every_s: float = 0, waiting_max: int = 100
) -> LedgerWriter:
    return LedgerWriter(
        store,
        WriterMetrics(CollectorRegistry()),
        batch_max=batch_max,
        batch_every_s=batch_every_s,
        waiting_max=waiting_max,
    )


def grant(n: int) -> GrantCredit:
    return GrantCredit("u", f"g{n}", 100, "")


def sizes(store: MemoryLedger) -> list[int]:
    return [len(batch) for batch in store.batches]


async def test_what_arrives_during_a_commit_shares_the_next_one() -> None:
    store = MemoryLedger(delay_s=0.02)
    ledger = writer(store)
    async with ledger.running():
        first = asyncio.create_task(ledger.submit(grant(0)))
        await asyncio.sleep(0.005)
        results = await asyncio.gather(first, *(ledger.submit(grant(n)) for n in range(1, 6)))
    assert sizes(store) == [1, 5]
    assert [result.wallet.balance for result in results] == [100, 200, 300, 400, 500, 600]


async def test_an_idle_writer_takes_a_write_at_once() -> None:
    store = MemoryLedger()
    ledger = writer(store, batch_every_s=10)
    async with asyncio.timeout(1), ledger.running():
        await ledger.submit(grant(0))


async def test_under_load_batches_begin_apart_so_that_writes_share_them() -> None:
    store = MemoryLedger()
    ledger = writer(store, batch_every_s=0.1)

    async def later(n: int) -> Result:
        await asyncio.sleep(n * 0.005)
        return await ledger.submit(grant(n))

    async with ledger.running():
        await asyncio.gather(*(later(n) for n in range(8)))
    assert sizes(store) == [1, 7]


async def test_a_full_batch_does_not_wait_for_company() -> None:
    store = MemoryLedger()
    ledger = writer(store, batch_max=3, batch_every_s=10)
    async with asyncio.timeout(1), ledger.running():
        await asyncio.gather(*(ledger.submit(grant(n)) for n in range(9)))
    assert sizes(store) == [3, 3, 3]


async def test_one_bad_write_does_not_fail_its_neighbours() -> None:
    def fails(operations: Sequence[Operation]) -> StoreError | None:
        return StoreError("bad", alone=True) if grant(2) in operations else None

    store = MemoryLedger(fails=fails)
    ledger = writer(store)
    async with ledger.running():
        outcomes = await asyncio.gather(*(ledger.submit(grant(n)) for n in range(5)), return_exceptions=True)
    assert [isinstance(outcome, UnavailableError) for outcome in outcomes] == [False, False, True, False, False]
    assert store.wallets["u"].balance == 400


async def test_when_the_database_is_away_everyone_is_told_to_try_again_and_nothing_is_tried_alone() -> None:
    away = True

    def fails(operations: Sequence[Operation]) -> StoreError | None:
        return StoreError("away", alone=False) if away else None

    store = MemoryLedger(fails=fails)
    ledger = writer(store)
    async with ledger.running():
        outcomes = await asyncio.gather(*(ledger.submit(grant(n)) for n in range(5)), return_exceptions=True)
        assert all(isinstance(outcome, UnavailableError) and outcome.retry_after_s for outcome in outcomes)
        assert sizes(store) == [5]
        away = False
        assert (await ledger.submit(grant(0))).fresh


async def test_the_writer_outlives_an_error_that_nobody_expected() -> None:
    def fails(operations: Sequence[Operation]) -> StoreError | None:
        if grant(0) in operations:
            raise ZeroDivisionError
        return None

    ledger = writer(MemoryLedger(fails=fails))
    async with ledger.running():
        with pytest.raises(UnavailableError):
            await ledger.submit(grant(0))
        assert (await ledger.submit(grant(1))).fresh


async def test_a_refused_write_is_told_why_and_its_neighbours_succeed() -> None:
    ledger = writer(MemoryLedger())
    turn = Reserve("u", "r", "m", 1_000, 0, PRICE, 9)
    async with ledger.running():
        granted, refused = await asyncio.gather(ledger.submit(grant(0)), ledger.submit(turn), return_exceptions=True)
    assert isinstance(granted, Result)
    assert isinstance(refused, ServiceError)
    assert refused.wire_reason == "INSUFFICIENT_QUOTA"


async def test_whoever_stops_waiting_does_not_stop_the_write() -> None:
    store = MemoryLedger(delay_s=0.01)
    ledger = writer(store)
    async with ledger.running():
        tasks = [asyncio.create_task(ledger.submit(grant(n))) for n in range(2)]
        await asyncio.sleep(0.002)
        for task in tasks:
            task.cancel()
        assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True))
    assert store.wallets["u"].balance == 200


async def test_too_many_waiting_writes_are_turned_away_and_not_written() -> None:
    store = MemoryLedger(delay_s=0.01)
    ledger = writer(store, waiting_max=3)
    async with ledger.running():
        outcomes = await asyncio.gather(*(ledger.submit(grant(n)) for n in range(5)), return_exceptions=True)
    assert [isinstance(outcome, UnavailableError) for outcome in outcomes] == [False, False, False, True, True]
    assert store.wallets["u"].balance == 300


async def test_what_waits_is_written_before_the_writer_stops_and_nothing_after() -> None:
    store = MemoryLedger(delay_s=0.01)
    ledger = writer(store, batch_max=2, batch_every_s=0.01)
    async with ledger.running():
        tasks = [asyncio.create_task(ledger.submit(grant(n))) for n in range(5)]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*tasks)) == 5
    with pytest.raises(UnavailableError):
        await ledger.submit(grant(6))
    assert store.wallets["u"].balance == 500


async def test_writes_are_counted_by_kind_and_result_and_clamped_turns_by_themselves() -> None:
    registry = CollectorRegistry()
    ledger = LedgerWriter(MemoryLedger(), WriterMetrics(registry))
    charge = Charge("u", "4", "m", Usage(10, 0, 10), Source.CACHE, "run", PRICE)
    writes: list[Operation] = [
        OpenWallet("u", 1_000),
        OpenWallet("u", 1_000),
        Reserve("u", "1", "m", 10, 10, PRICE, 9),
        Reserve("u", "2", "m", 10, 10, PRICE, 9),
        Reserve("u", "3", "m", 10_000, 10, PRICE, 9),
        Settle("u", "1", Usage(10, 10), "completed"),
        Settle("u", "2", Usage(10, 11), "completed"),
        charge,
        VoidCharge(charge),
    ]
    async with ledger.running():
        await asyncio.gather(*(ledger.submit(write) for write in writes), return_exceptions=True)

    def counted(kind: str, result: str) -> float | None:
        return registry.get_sample_value("queqiao_ledger_operations_total", {"kind": kind, "result": result})

    assert counted("OpenWallet", "OK") == counted("OpenWallet", "REPLAYED") == 1
    assert (counted("Reserve", "OK"), counted("Reserve", "INSUFFICIENT_QUOTA")) == (2, 1)
    assert counted("Settle", "OK") == 2
    assert (counted("Charge", "OK"), counted("VoidCharge", "OK")) == (1, 1)
    assert registry.get_sample_value("queqiao_ledger_clamped_settles_total") == 1
    assert registry.get_sample_value("queqiao_ledger_batch_size_sum") == len(writes)
