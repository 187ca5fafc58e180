"""What is too old goes, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from services.moderation.audit.records import Filter
from services.moderation.audit.retention import Retention
from services.moderation.audit.store import RefusalStore
from tests.integration.moderation.audit.conftest import Pool, finding, no_connections, written

COUNT = "SELECT count(*) FROM refusals"


def retention(store: RefusalStore, every_s: float = 3_600) -> Retention:
    return Retention(store, keep_days=180, every_s=every_s, pause_s=0)


async def test_only_what_is_older_than_that_is_deleted(store: RefusalStore, pool: Pool) -> None:
    limit = datetime.now(UTC) - timedelta(days=180)
    await written(store, [finding(n) for n in range(60)], begin=limit - timedelta(minutes=1, seconds=1))
    await written(store, [finding(100)], begin=limit + timedelta(minutes=1))
    await written(store, [finding(101)], begin=datetime.now(UTC))
    assert await retention(store).tidy() == 60
    assert [one.record.request_id for one in await store.refusals(Filter(), limit=10)] == ["r101", "r100"]
    assert await retention(store).tidy() == 0


async def test_much_is_deleted_in_batches_by_several_replicas_at_once(store: RefusalStore, pool: Pool) -> None:
    await written(store, [finding(n) for n in range(5_500)], begin=datetime.now(UTC) - timedelta(days=181))
    await written(store, [finding(n) for n in range(5)], begin=datetime.now(UTC))
    deleted = await asyncio.gather(*(retention(store).tidy() for _ in range(3)))
    assert sum(deleted) == 5_500
    assert await pool.fetchval(COUNT) == 5


async def test_the_job_goes_on_after_the_database_was_away(
    store: RefusalStore, pool: Pool, postgres_url: str, database_url: str
) -> None:
    await written(store, [finding(n) for n in range(3)], begin=datetime.now(UTC) - timedelta(days=181))
    with capture_logs() as events:
        async with no_connections(postgres_url, database_url):
            job = asyncio.create_task(retention(store, every_s=0.02).keep_tidy())
            await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            while not any(event["log_level"] == "info" for event in events):
                await asyncio.sleep(0.01)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
    assert {event["log_level"] for event in events} == {"warning", "info"}
    assert await pool.fetchval(COUNT) == 0
