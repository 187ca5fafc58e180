"""The billing service's composition root: the only place that builds its adapters."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
from queqiao.billing.v1 import billing_pb2_grpc, books_pb2_grpc, payments_pb2_grpc

from services.billing.books.costs import CostGauge, CostReader
from services.billing.books.owner import OwnerGauge
from services.billing.books.servicer import BooksServicer
from services.billing.books.statement import StatementReader
from services.billing.books.verifier import Verifier
from services.billing.books.watch import LedgerWatch
from services.billing.config import BillingSettings
from services.billing.payments.app import payments
from services.billing.prices import PriceBook
from services.billing.rates import RateJob
from services.billing.reservations import ReservationGauge, ReservationMetrics
from services.billing.servicer import BillingServicer
from services.billing.store import PostgresLedger
from services.billing.sweeper import Sweeper
from services.billing.writer import LedgerWriter, WriterMetrics
from services.runtime.postgres import postgres_pool, postgres_reader
from services.runtime.process import Runtime, Server, running
from services.runtime.trace import ItemSpans

SERVICE = "queqiao.billing.v1.BillingService"
PAYMENTS = "queqiao.billing.v1.PaymentService"
BOOKS = "queqiao.billing.v1.BooksService"

# A rate service that has been silent for so long is not to be sold by.
_STALE_AFTER_S = 7 * 86_400.0

# For reading and for payments.
_CONNECTIONS_MAX = 8


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
                on_connect=runtime.stores.record,
                pooled=settings.database_pooled,
            )
        )
        runtime.stores.postgres(pool, "billing")
        books = await _books(stack, settings, runtime) or pool
        prices = PriceBook(
            pool,
            refresh_s=settings.prices_refresh_s,
            stale_after_s=_stale_after_s(settings),
            registry=runtime.registry,
        )
        await prices.refresh()
        # The writer's own: whatever others read must not keep a reservation waiting for a connection.
        ledger_pool = await stack.enter_async_context(
            postgres_pool(
                settings.database_url.get_secret_value(),
                schema="billing",
                migrations=Path(__file__).with_name("migrations"),
                connections_max=2,
                on_connect=runtime.stores.record,
                pooled=settings.database_pooled,
            )
        )
        runtime.stores.postgres(ledger_pool, "ledger")
        store = PostgresLedger(ledger_pool)
        writer = LedgerWriter(
            store,
            WriterMetrics(runtime.registry),
            batch_max=settings.batch_max,
            batch_every_s=settings.batch_every_s,
            waiting_max=settings.waiting_max,
        )
        await stack.enter_async_context(writer.running())
        reservations = ReservationMetrics(runtime.registry)
        sweeper = Sweeper(store, writer, reservations, every_s=settings.sweep_every_s)
        await stack.enter_async_context(running(sweeper.run()))
        await stack.enter_async_context(running(ReservationGauge(pool, reservations).run()))
        await stack.enter_async_context(running(prices.keep_fresh()))
        if rate_url := settings.exchange_rate_url.get_secret_value():
            rates = RateJob(prices, rate_url, every_s=settings.exchange_rate_refresh_s)
            await stack.enter_async_context(running(rates.run()))
        # The proof is of the ledger itself: what is late at a replica would look like an error.
        verifier, costs = Verifier(pool), CostReader(books)
        await stack.enter_async_context(running(CostGauge(costs, runtime.registry).run()))
        await stack.enter_async_context(running(OwnerGauge(books, runtime.registry).run()))
        if settings.verify_every_s:
            watch = LedgerWatch(verifier, runtime.registry, every_s=settings.verify_every_s)
            await stack.enter_async_context(running(watch.run()))

        server = runtime.grpc_server()
        billing_pb2_grpc.add_BillingServiceServicer_to_server(
            BillingServicer(
                writer,
                store,
                prices,
                server.endless,
                trial_credit_micros=settings.trial_credit_micros,
                spans=ItemSpans(runtime.telemetry, SERVICE),
                statement=StatementReader(books, ledger=pool),
                book=prices,
            ),
            server.grpc,
        )
        payments_pb2_grpc.add_PaymentServiceServicer_to_server(
            await payments(stack, settings, pool, writer, prices, runtime.registry), server.grpc
        )
        books_pb2_grpc.add_BooksServiceServicer_to_server(BooksServicer(verifier, costs, prices), server.grpc)
        await server.start(SERVICE, PAYMENTS, BOOKS)
        yield server


async def _books(
    stack: AsyncExitStack, settings: BillingSettings, runtime: Runtime
) -> "asyncpg.Pool[asyncpg.Record] | None":
    """The replica that books are read from, if there is one. While it is away they are, and nothing else."""
    url = settings.books_database_url.get_secret_value()
    if not url:
        return None
    pool = await stack.enter_async_context(
        postgres_reader(
            url,
            schema="billing",
            connections_max=_CONNECTIONS_MAX,
            on_connect=runtime.stores.record,
            pooled=settings.database_pooled,
        )
    )
    runtime.stores.postgres(pool, "books")
    return pool


def _stale_after_s(settings: BillingSettings) -> float:
    if settings.exchange_rate_stale_after_s is not None:
        return settings.exchange_rate_stale_after_s
    return _STALE_AFTER_S if settings.exchange_rate_url.get_secret_value() else 0.0
