"""How full pools are, and which statements belong to a trace, on real PostgreSQL and Redis."""

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry

from services.runtime.postgres import postgres_pool
from services.runtime.redis import redis_client
from services.runtime.stores import Stores
from services.runtime.trace import Telemetry


async def test_connections_are_counted_by_state(database_url: str, redis_database_url: str, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    stores = Stores(registry, Telemetry(None))

    def connections(store: str, state: str) -> float | None:
        labels = {"store": store, "pool": "shop", "state": state}
        return registry.get_sample_value("queqiao_pool_connections", labels)

    async with (
        postgres_pool(database_url, schema="shop", migrations=tmp_path, connections_max=3) as pool,
        redis_client(redis_database_url) as client,
    ):
        stores.postgres(pool, "shop")
        stores.redis(client, "shop")
        assert (connections("postgres", "used"), connections("postgres", "idle")) == (0, 1)
        assert connections("redis", "used") == 0
        async with pool.acquire(), pool.acquire(), client.monitor():
            assert (connections("postgres", "used"), connections("postgres", "idle")) == (2, 0)
            assert connections("redis", "used") == 1
        most = registry.get_sample_value("queqiao_pool_connections_max", {"store": "postgres", "pool": "shop"})
        assert most == 3


async def test_statements_belong_to_the_request_that_made_them_and_carry_no_values(
    database_url: str, redis_database_url: str, tmp_path: Path
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry(provider)
    stores = Stores(CollectorRegistry(), telemetry)
    async with (
        postgres_pool(
            database_url, schema="shop", migrations=tmp_path, connections_max=1, on_connect=stores.record
        ) as pool,
        redis_client(redis_database_url) as client,
    ):
        stores.redis(client, "shop")
        exporter.clear()
        await pool.fetchval("SELECT 1")
        assert exporter.get_finished_spans() == ()
        with telemetry.tracer("test").start_as_current_span("request", kind=SpanKind.SERVER) as request:
            assert await pool.fetchval("SELECT $1::text", "geheim") == "geheim"
            await client.set("key", "geheim")
            with pytest.raises(Exception, match="nirgends"):
                await pool.execute("DELETE FROM nirgends")
            await client.ping()
        spans = {span.name: span for span in exporter.get_finished_spans()}
        assert {"SELECT", "SET", "DELETE", "request"} <= spans.keys()
        for name in ("SELECT", "SET", "DELETE"):
            parent = spans[name].parent
            assert parent is not None
            assert parent.span_id == request.get_span_context().span_id
            assert "geheim" not in str(spans[name].attributes)
        assert spans["SELECT"].attributes == {"db.system": "postgresql", "db.statement": "SELECT $1::text"}
        assert not spans["DELETE"].status.is_ok
