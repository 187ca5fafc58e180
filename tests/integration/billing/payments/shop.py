"""Payments as one billing process has them, on real PostgreSQL, with providers behind the port that tests play."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
from prometheus_client import CollectorRegistry

from services.billing import sql
from services.billing.operations import GrantCredit, Reserve, Settle
from services.billing.payments.callbacks import Callbacks
from services.billing.payments.cashier import Cashier, Purchase
from services.billing.payments.domain import Answer, Callback, Channel, Order, Payer, Refund
from services.billing.payments.lookup import Lookup
from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.reconciler import Reconciler
from services.billing.payments.refunds import Refunds
from services.billing.payments.registry import Providers
from services.billing.payments.servicer import PaymentServicer
from services.billing.payments.settlement import Settlement
from services.billing.payments.store import PaymentStore
from services.billing.payments.watch import PaymentWatch
from services.billing.pricing import Price, Usage
from services.billing.store import PostgresLedger
from services.billing.writer import LedgerWriter, WriterMetrics
from services.runtime.postgres import postgres_pool
from tests.fakes.payment_provider import FakeProvider
from tests.ledger.books import Books
from tests.ledger.postgres import read_books

MIGRATIONS = Path(sql.__file__).with_name("migrations")
FEN = 10_000
SESSION_KEY = "c2Vzc2lvbi1rZXktb2YtdGhlLXVzZXI="

# A token costs a micro-yuan.
_PRICE = Price(1_000_000, 1_000_000, 1_000_000, 0, 1_000_000)

# In quotes: only the stubs know this class as generic.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@dataclass
class Rates:
    """The ports `ExchangeRates` and `ExchangeRate`: ¥7.10 a dollar, until a test says otherwise."""

    cny_micros_per_usd: int = 7_100_000

    def rate(self) -> "Rates":
        return self


class Shop:
    """One process's payments; `provider` is the first of its providers."""

    def __init__(
        self,
        pool: Pool,
        ledger: PostgresLedger,
        writer: LedgerWriter,
        providers: list[FakeProvider],
        order_ttl_s: float,
    ) -> None:
        self.pool = pool
        self.ledger = ledger
        self.writer = writer
        self.provider = providers[0]
        self.rates = Rates()
        self.registry = CollectorRegistry()
        metrics = PaymentMetrics(self.registry)
        known = Providers(providers)
        self.store = PaymentStore(pool)
        settlement = Settlement(self.store, writer, metrics)
        lookup = Lookup(known, settlement)
        self.refunds = Refunds(self.store, known, settlement, writer, metrics)
        self.reconciler = Reconciler(self.store, metrics)
        self.cashier = Cashier(self.store, known, self.rates, lookup, settlement, metrics, order_ttl_s=order_ttl_s)
        self.callbacks = Callbacks(self.store, known, settlement, metrics)
        self.watch = PaymentWatch(self.store, known, lookup, self.refunds, self.reconciler, every_s=0.01)
        self.servicer = PaymentServicer(self.store, known, self.cashier, self.callbacks, self.refunds, self.reconciler)

    async def buy(
        self, package_id: str = "medium", *, request_id: str = "", channel: Channel = Channel.JSAPI, **fields: Any
    ) -> Order:
        """Buy something; every call is a new purchase unless it names a request."""
        asked: dict[str, Any] = {
            "user_id": "u",
            "request_id": request_id or secrets.token_hex(8),
            "channel": channel,
            "payer": Payer("openid-of-u", SESSION_KEY, "203.0.113.7"),
            "package_id": package_id,
        }
        return await self.cashier.buy(Purchase(**asked | fields))

    async def topped_up(self, package_id: str = "medium", user_id: str = "u", **other: Any) -> Order:
        """Buy, pay, and be told so."""
        order = await self.buy(package_id, user_id=user_id)
        assert (await self.notify(self.provider.pay(order, **other))).status == 200
        return await self.read(order)

    async def notify(self, callback: Callback, provider: str = "wechatpay") -> Answer:
        """A callback comes in."""
        return await self.callbacks.take(provider, callback)

    async def refund(self, order: Order, amount_fen: int = 0, *, request_id: str = "", reason: str = "sorry") -> Refund:
        """Give money back."""
        return await self.refunds.create(
            order.out_trade_no, request_id=request_id or secrets.token_hex(8), amount_fen=amount_fen, reason=reason
        )

    async def look(self) -> None:
        """The watch looks once, at everything that is due."""
        await self.watch.look(self.provider)

    async def read(self, order: Order) -> Order:
        """An order as it is stored."""
        found = await self.store.order(order.out_trade_no)
        assert found is not None
        return found

    async def read_refund(self, refund: Refund) -> Refund:
        """A refund as it is stored."""
        found = await self.store.refund(refund.out_refund_no)
        assert found is not None
        return found

    async def wallet(self, user_id: str = "u") -> tuple[int, int]:
        """Balance and what of it is reserved, in fen."""
        wallet = await self.ledger.wallet(user_id)
        assert wallet is not None
        assert wallet.balance % FEN == wallet.reserved % FEN == 0
        return wallet.balance // FEN, wallet.reserved // FEN

    async def grant(self, amount_fen: int, user_id: str = "u") -> None:
        """Give credit away."""
        await self.writer.submit(GrantCredit(user_id, secrets.token_hex(8), amount_fen * FEN, "trial"))

    async def spend(self, amount_fen: int, user_id: str = "u") -> None:
        """Pay for a turn."""
        request_id = secrets.token_hex(8)
        await self.writer.submit(Reserve(user_id, request_id, "m", amount_fen * FEN, 0, _PRICE, 900))
        await self.writer.submit(Settle(user_id, request_id, Usage(amount_fen * FEN, 0), "completed"))

    async def later(self, seconds: float) -> None:
        """Time goes by: what is stored moves into the past."""
        moved = ("orders", ("created_at", "expires_at", "next_query_at", "queried_at")), ("refunds", ("next_query_at",))
        for table, columns in moved:
            changes = ", ".join(f"{column} = {column} - make_interval(secs => $1)" for column in columns)
            await self.pool.execute(f"UPDATE {table} SET {changes}", seconds)  # noqa: S608  # two tables of ours

    async def incidents(self) -> list[str]:
        """What an operator must look at."""
        return [row["problem"] for row in await self.pool.fetch("SELECT problem FROM payment_incidents ORDER BY id")]

    async def books(self) -> Books:
        """Everything that is stored."""
        async with self.pool.acquire() as connection:
            return await read_books(connection)

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value, 0 when nothing was counted."""
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def open_shop(database_url: str, *providers: FakeProvider, order_ttl_s: float = 900) -> AsyncIterator[Shop]:
    """One process's worth of payments; several may be open on one database."""
    async with postgres_pool(database_url, schema="billing", migrations=MIGRATIONS, connections_max=8) as pool:
        ledger = PostgresLedger(pool)
        writer = LedgerWriter(ledger, WriterMetrics(CollectorRegistry()))
        async with writer.running():
            yield Shop(pool, ledger, writer, list(providers), order_ttl_s)
