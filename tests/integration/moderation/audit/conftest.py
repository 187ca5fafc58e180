"""A migrated audit, for tests that go below the service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from queqiao.moderation.v1 import audit_pb2_grpc

import services.moderation
from services.moderation.audit.appeals import Appeals
from services.moderation.audit.records import Note, notes
from services.moderation.audit.servicer import AuditServicer
from services.moderation.audit.store import RefusalStore
from services.moderation.audit.texts import KeptTexts
from services.moderation.domain import Action, Direction, Finding, Layer
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.postgres import postgres_pool
from services.runtime.trace import Telemetry
from tests.fakes.audit import MemoryAllowing

SECRET = "a secret of at least 32 characters"
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)

# In quotes: only the stubs know pools as generic.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of a fresh moderation database."""
    migrations = Path(services.moderation.__path__[0]) / "migrations"
    async with postgres_pool(database_url, schema="moderation", migrations=migrations, connections_max=8) as pool:
        yield pool


@pytest.fixture
def store(pool: Pool) -> RefusalStore:
    """An audit that keeps texts."""
    return RefusalStore(pool, KeptTexts(SECRET, keep=True))


@pytest.fixture
def allowing() -> MemoryAllowing:
    """What appeals allow."""
    return MemoryAllowing()


@pytest.fixture
async def target(store: RefusalStore, allowing: MemoryAllowing) -> AsyncIterator[str]:
    """The audit as a service, as host:port."""
    server = GrpcServer(
        host="127.0.0.1", port=0, drain_s=0, metrics=RpcMetrics(CollectorRegistry()), telemetry=Telemetry(None)
    )
    audit_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(store, Appeals(store, allowing)), server.grpc)
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.drain()


@asynccontextmanager
async def no_connections(postgres_url: str, database_url: str) -> AsyncIterator[None]:
    """Cut every connection to the database, and let no new one in meanwhile."""
    name = database_url.rsplit("/", 1)[1]
    server = await asyncpg.connect(postgres_url)
    try:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        try:
            yield
        finally:
            await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        await server.close()


def finding(number: int = 0, **other: Any) -> Finding:
    """A refusal of a user's text; what is told is otherwise."""
    facts: dict[str, Any] = {
        "action": Action.REFUSED,
        "direction": Direction.INPUT,
        "layer": Layer.LEXICON,
        "rule": "毒品",
        "label": 20006,
        "evasion": "plain",
        "start": 0,
        "end": 2,
        "text": f"毒品和第{number}件私密的事",
        "request_id": f"r{number}",
        "user_id": "u",
        "version": "v",
    }
    return Finding(**facts | other)


async def written(
    store: RefusalStore,
    findings: Sequence[Finding],
    *,
    begin: datetime = BEGIN,
    trace_id: str = "",
    keep_texts: bool = True,
) -> list[Note]:
    """Write findings, each a second after the one before it."""
    result = [
        notes([one], begin + timedelta(seconds=second), trace_id, keep_texts=keep_texts)[0]
        for second, one in enumerate(findings)
    ]
    await store.add(await store.new_ids(len(result)), result)
    return result
