"""Nobody waits for the audit, and nothing is in it twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.moderation.audit.ports import NoteStore
from services.moderation.audit.records import Filter
from services.moderation.audit.store import RefusalStore
from services.moderation.audit.writer import AuditMetrics, AuditWriter
from services.runtime.process import running
from services.runtime.trace import adopt_traceparent
from tests.fakes.audit import ForgetfulStore
from tests.integration.moderation.audit.conftest import Pool, finding, no_connections

COUNT = "SELECT count(*) FROM refusals"
TRACE = "ab" * 16


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def writer_of(store: NoteStore, registry: CollectorRegistry, **options: Any) -> AuditWriter:
    quick: dict[str, Any] = {"keep_texts": True, "gather_s": 0.001, "retry_s": 0.02}
    return AuditWriter(store, AuditMetrics(registry), **quick | options)


@asynccontextmanager
async def writing(store: NoteStore, registry: CollectorRegistry, **options: Any) -> AsyncIterator[AuditWriter]:
    writer = writer_of(store, registry, **options)
    async with running(writer.keep_writing()):
        # Work that never began has nothing to finish; a service begins it long before it serves.
        await asyncio.sleep(0)
        yield writer


async def until(truth: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await truth():
            await asyncio.sleep(0.01)


def dropped(registry: CollectorRegistry, why: str) -> float | None:
    return registry.get_sample_value("queqiao_moderation_audit_dropped_total", {"why": why})


def written(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("queqiao_moderation_audit_written_total")


def waiting(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("queqiao_moderation_audit_waiting")


async def requests(pool: Pool) -> list[str]:
    return [row["request_id"] for row in await pool.fetch("SELECT request_id FROM refusals ORDER BY id")]


async def test_what_is_noted_is_soon_there_with_its_trace(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry
) -> None:
    async def judging(writer: AuditWriter) -> None:
        adopt_traceparent(f"00-{TRACE}-{'cd' * 8}-00")
        writer.note([finding(1), finding(2)])

    async with writing(store, registry) as writer:
        await asyncio.create_task(judging(writer))
        writer.note([finding(3)])

        async def there() -> bool:
            return bool(await pool.fetchval(COUNT) == 3)

        await until(there)
    found = await store.refusals(Filter(), limit=10)
    assert [(one.record.request_id, one.record.trace_id) for one in found] == [("r3", ""), ("r2", TRACE), ("r1", TRACE)]
    assert (written(registry), waiting(registry)) == (3, 0)
    assert (await store.refusal(found[0].refusal_id))[1] == "毒品和第3件私密的事"


async def test_texts_are_handed_on_only_when_they_are_kept(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry
) -> None:
    async with writing(store, registry, keep_texts=False) as writer:
        writer.note([finding(1)])
    assert [row["text_sealed"] for row in await pool.fetch("SELECT text_sealed FROM refusals")] == [None]


async def test_what_waits_at_the_end_is_written(store: RefusalStore, pool: Pool, registry: CollectorRegistry) -> None:
    async with writing(store, registry, batch_max=100, gather_s=3_600) as writer:
        writer.note([finding(n) for n in range(950)])
        await asyncio.sleep(0.01)
        assert waiting(registry) == 950
    assert await requests(pool) == [f"r{n}" for n in range(950)]
    assert (written(registry), waiting(registry)) == (950, 0)


async def test_the_end_in_the_middle_of_a_write_writes_once(store: RefusalStore, pool: Pool) -> None:
    for moment in range(20):
        async with writing(store, CollectorRegistry(), gather_s=0) as writer:
            writer.note([finding(100 * moment + n) for n in range(50)])
            await asyncio.sleep(moment * 0.0005)
    assert await requests(pool) == [f"r{100 * moment + n}" for moment in range(20) for n in range(50)]


async def test_a_write_whose_answer_is_lost_is_there_once(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry
) -> None:
    forgetful = ForgetfulStore(store, losses=3)
    async with writing(forgetful, registry, batch_max=4) as writer:
        for n in range(10):
            writer.note([finding(n)])
            await asyncio.sleep(0.005)
    assert forgetful.losses == 0
    assert await requests(pool) == [f"r{n}" for n in range(10)]
    assert written(registry) == 10


async def test_connections_that_are_killed_lose_nothing_and_repeat_nothing(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry, database_url: str
) -> None:
    killer = await asyncpg.connect(database_url)
    try:
        async with writing(store, registry, batch_max=7) as writer:
            for n in range(300):
                writer.note([finding(n)])
                if n % 10 == 0:
                    await killer.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                await asyncio.sleep(0.001)
        found = await killer.fetch("SELECT request_id FROM moderation.refusals ORDER BY id")
    finally:
        await killer.close()
    assert sorted(row["request_id"] for row in found) == sorted(f"r{n}" for n in range(300))


async def test_a_database_that_goes_away_and_returns_gets_everything_once(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry, postgres_url: str, database_url: str
) -> None:
    with capture_logs() as events:
        async with writing(store, registry) as writer:
            writer.note([finding(0)])
            async with no_connections(postgres_url, database_url):
                for n in range(1, 200):
                    writer.note([finding(n)])
                    await asyncio.sleep(0.001)
                assert (waiting(registry) or 0) >= 199

            async def caught_up() -> bool:
                return waiting(registry) == 0

            await until(caught_up)
    assert await requests(pool) == [f"r{n}" for n in range(200)]
    complaints = [event for event in events if event["log_level"] == "error"]
    assert len(complaints) == 1
    assert "私密" not in repr(events)


async def test_what_does_not_fit_the_queue_is_counted_and_said_once_a_minute(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry
) -> None:
    writer = writer_of(store, registry, waiting_max=5)
    with capture_logs() as events:
        writer.note([finding(n) for n in range(3)])
        writer.note([finding(n) for n in range(3, 10)])
        for n in range(10, 30):
            writer.note([finding(n)])
    assert (dropped(registry, "full"), waiting(registry)) == (25, 5)
    assert [event["event"] for event in events] == ["findings are missing from the audit"]
    async with running(writer.keep_writing()):
        await asyncio.sleep(0)
    assert await requests(pool) == [f"r{n}" for n in range(5)]


async def test_the_end_does_not_wait_for_a_database_that_is_away(
    store: RefusalStore, registry: CollectorRegistry, postgres_url: str, database_url: str
) -> None:
    loop = asyncio.get_running_loop()
    async with no_connections(postgres_url, database_url):
        with capture_logs() as events:
            async with writing(store, registry, drain_s=0.2) as writer:
                writer.note([finding(n) for n in range(7)])
                await asyncio.sleep(0.05)
                begin = loop.time()
            assert loop.time() - begin < 2
    assert dropped(registry, "stopped") == 7
    assert [event["why"] for event in events if event.get("why")] == ["stopped"]


async def test_a_record_that_the_database_refuses_takes_no_other_with_it(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry
) -> None:
    with capture_logs() as events:
        async with writing(store, registry) as writer:
            writer.note([finding(0), finding(1, label=2**40), finding(2), finding(3, start=9, end=1), finding(4)])
            writer.note([finding(5)])
    assert await requests(pool) == ["r0", "r2", "r4", "r5"]
    assert (written(registry), dropped(registry, "refused"), waiting(registry)) == (4, 2, 0)
    assert "私密" not in repr(events)


async def test_names_that_no_database_takes_are_written_all_the_same(
    store: RefusalStore, pool: Pool, registry: CollectorRegistry
) -> None:
    async with writing(store, registry) as writer:
        writer.note([finding(0, request_id="r\x00", user_id="长" * 5_000, rule="a\x00")])
    assert await pool.fetchval(COUNT) == 1
    assert len(await store.refusals(Filter(user_id="长" * 200), limit=10)) == 1


async def test_replicas_write_beside_each_other(store: RefusalStore, pool: Pool) -> None:
    async def replica(number: int) -> None:
        async with writing(store, CollectorRegistry(), batch_max=5) as writer:
            for n in range(100):
                writer.note([finding(1_000 * number + n)])
                await asyncio.sleep(0)

    await asyncio.gather(*map(replica, range(4)))
    assert await pool.fetchval(COUNT) == 400
    assert await pool.fetchval("SELECT count(DISTINCT request_id) FROM refusals") == 400
