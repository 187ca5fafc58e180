"""The billing service's composition root: the only place that builds its adapters."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from queqiao.billing.v1 import billing_pb2_grpc

from services.billing.config import BillingSettings
from services.billing.prices import PriceBook
from services.billing.servicer import BillingServicer
from services.billing.store import PostgresLedger
from services.billing.sweeper import Sweeper
from services.billing.writer import LedgerWriter, WriterMetrics
from services.runtime.postgres import postgres_pool
from services.runtime.process import Runtime, Server, running

SERVICE = "queqiao.billing.v1.BillingService"

# One for the writer, the others for reading.
_CONNECTIONS_MAX = 4


@asynccontextmanager
async def app(settings: BillingSettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Connect, serve, and close in reverse order: the writer finishes what waits before the pool closes."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            postgres_pool(
                settings.database_url.get_secret_value(),
                schema="billing",
                migrations=Path(__file__).with_name("migrations"),
                connections_max=_CONNECTIONS_MAX,
            )
        )
        prices = PriceBook(pool, refresh_s=settings.prices_refresh_s)
        await prices.refresh()
        store = PostgresLedger(pool)
        writer = LedgerWriter(
            store,
            WriterMetrics(runtime.registry),
            batch_max=settings.batch_max,
            batch_every_s=settings.batch_every_s,
            waiting_max=settings.waiting_max,
        )
        await stack.enter_async_context(writer.running())
        sweeper = Sweeper(store, writer, every_s=settings.sweep_every_s)
        await stack.enter_async_context(running(sweeper.run()))
        await stack.enter_async_context(running(prices.keep_fresh()))

        server = runtime.grpc_server()
        billing_pb2_grpc.add_BillingServiceServicer_to_server(
            BillingServicer(writer, store, prices, server.endless, trial_credit_micros=settings.trial_credit_micros),
            server.grpc,
        )
        await server.start(SERVICE)
        yield server
