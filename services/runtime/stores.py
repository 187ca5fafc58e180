"""How an operator sees what a service stores in: connections in use, and a span for each statement when tracing is on.

Statements of PostgreSQL are recorded through asyncpg's own query loggers: the instrumentation package that exists is
a release behind the others and cannot be installed with them. Redis has one that is kept.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import asyncpg
from opentelemetry import trace
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.runtime.postgres import Connection
from services.runtime.trace import Telemetry

if TYPE_CHECKING:  # not every service stores in Redis
    from redis.asyncio import Redis

# In use, idle, and how many there may be.
Count = Callable[[], tuple[int, int, int]]

# Enough to know a statement again; parameters are never part of it.
_STATEMENT_CHARACTERS_MAX = 500


class Stores(Collector):
    """The connections of one process to PostgreSQL and Redis."""

    def __init__(self, registry: CollectorRegistry, telemetry: Telemetry) -> None:
        """Report here."""
        self._telemetry = telemetry
        self._tracer = telemetry.tracer("queqiao.stores")
        self._pools: dict[tuple[str, str], Count] = {}
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """How full each pool is now."""
        connections = GaugeMetricFamily(
            "queqiao_pool_connections",
            "Connections of a pool by state: used, idle.",
            labels=["store", "pool", "state"],
        )
        limits = GaugeMetricFamily(
            "queqiao_pool_connections_max", "Connections that a pool may open.", labels=["store", "pool"]
        )
        for (store, pool), count in self._pools.items():
            used, idle, most = count()
            connections.add_metric([store, pool, "used"], used)
            connections.add_metric([store, pool, "idle"], idle)
            limits.add_metric([store, pool], most)
        return connections, limits

    def postgres(self, pool: "asyncpg.Pool[asyncpg.Record]", name: str) -> None:
        """Count the connections of a pool."""

        def count() -> tuple[int, int, int]:
            idle = pool.get_idle_size()
            return pool.get_size() - idle, idle, pool.get_max_size()

        self._pools["postgres", name] = count

    def redis(self, client: "Redis", name: str) -> None:
        """Count the connections of a client, and record what it is asked when tracing is on."""
        # Imported late: not every service stores in Redis.
        from services.runtime.redis import connections

        self._pools["redis", name] = lambda: connections(client)
        if self._telemetry.on:
            # As above: an untraced process need not pay for it.
            from opentelemetry.instrumentation.redis import RedisInstrumentor

            RedisInstrumentor.instrument_client(client, tracer_provider=self._telemetry.provider)

    async def record(self, connection: Connection) -> None:
        """Record the statements of a new connection, when tracing is on."""
        if self._telemetry.on:
            connection.add_query_logger(self._statement)

    def _statement(self, query: asyncpg.connection.LoggedQuery) -> None:
        """Record a statement that has just ended; what belongs to no request belongs to no trace."""
        if not trace.get_current_span().get_span_context().is_valid:
            return
        end_ns = time.time_ns()
        span = self._tracer.start_span(
            query.query.split(maxsplit=1)[0].rstrip(";").upper(),
            kind=trace.SpanKind.CLIENT,
            start_time=end_ns - int(query.elapsed * 1e9),
            attributes={"db.system": "postgresql", "db.statement": query.query.strip()[:_STATEMENT_CHARACTERS_MAX]},
        )
        if query.exception is not None:
            span.set_status(trace.StatusCode.ERROR)
            span.set_attribute("error.type", type(query.exception).__name__)
        span.end(end_ns)
