"""What the books export: whether the ledger is right, and what questions cost."""

import asyncio
import math

from prometheus_client import CollectorRegistry

from services.billing.books.costs import CostGauge, CostReader
from services.billing.books.verifier import Verifier
from services.billing.books.watch import LedgerWatch
from services.runtime.process import running
from tests.integration.billing.books.conftest import History


async def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    value = registry.get_sample_value(name, labels)
    assert value is not None, name
    return value


async def test_a_verification_is_exported(history: History) -> None:
    registry = CollectorRegistry()
    watch = LedgerWatch(Verifier(history.pool), registry, every_s=3600)
    # Nobody may be alarmed by a process that has not looked yet.
    assert math.isnan(await sample(registry, "queqiao_ledger_ok"))
    await watch.look()
    assert await sample(registry, "queqiao_ledger_ok") == 1
    assert await sample(registry, "queqiao_ledger_findings", check="projection") == 0
    assert await sample(registry, "queqiao_ledger_transfers") == await history.pool.fetchval(
        "SELECT count(*) FROM transfers"
    )
    assert await sample(registry, "queqiao_ledger_verified_timestamp_seconds") > history.at.timestamp()
    assert await sample(registry, "queqiao_ledger_verify_seconds") > 0


async def test_a_finding_turns_the_metric_and_mending_turns_it_back(history: History) -> None:
    registry = CollectorRegistry()
    watch = LedgerWatch(Verifier(history.pool), registry, every_s=3600)
    await history.pool.execute("UPDATE wallets SET balance_micros = balance_micros + 1 WHERE user_id = 'bo'")
    await watch.look()
    assert await sample(registry, "queqiao_ledger_ok") == 0
    assert await sample(registry, "queqiao_ledger_findings", check="projection") == 1
    await history.pool.execute("UPDATE wallets SET balance_micros = balance_micros - 1 WHERE user_id = 'bo'")
    await watch.look()
    assert await sample(registry, "queqiao_ledger_ok") == 1
    assert await sample(registry, "queqiao_ledger_findings", check="projection") == 0


async def test_a_process_that_finds_another_at_work_leaves_it_alone(history: History) -> None:
    registry = CollectorRegistry()
    async with history.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('billing.verify'))")
        await LedgerWatch(Verifier(history.pool), registry, every_s=3600).look()
    assert await sample(registry, "queqiao_ledger_verified_timestamp_seconds") == 0


async def test_the_watch_outlives_a_verification_that_fails(history: History) -> None:
    registry = CollectorRegistry()
    watch = LedgerWatch(Verifier(history.pool), registry, every_s=0.01)
    await history.pool.execute("ALTER TABLE transfers RENAME TO hidden")
    async with running(watch.run()):
        await asyncio.sleep(0.1)
        await history.pool.execute("ALTER TABLE hidden RENAME TO transfers")
        while await sample(registry, "queqiao_ledger_ok") != 1:
            await asyncio.sleep(0.01)


async def test_the_cost_of_a_thousand_questions_is_a_running_figure(history: History) -> None:
    registry = CollectorRegistry()
    reader = CostReader(history.pool)
    async with running(CostGauge(reader, registry).run()):
        while registry.get_sample_value("queqiao_questions_24h", {"source": "provider"}) is None:
            await asyncio.sleep(0.01)
    sources = {
        source: await sample(registry, "queqiao_questions_24h", source=source)
        for source in ("provider", "cache", "own_model")
    }
    assert sources == {"provider": 3, "cache": 1, "own_model": 0}
    # 1,300 + 1,000 + 20 micro-yuan for four questions.
    assert await sample(registry, "queqiao_cost_per_thousand_questions_cny") == 0.58
