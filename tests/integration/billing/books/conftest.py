"""A ledger with some history of every kind."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from services.billing import sql
from services.billing.domain import Source
from services.billing.operations import (
    EndRefund,
    GrantCredit,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    RefundEnd,
    Release,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
)
from services.billing.payments.domain import Channel, Order, Payer
from services.billing.payments.store import PaymentStore
from services.billing.pricing import Price, Usage
from services.billing.store import PostgresLedger
from services.runtime.postgres import postgres_pool

MIGRATIONS = Path(sql.__file__).with_name("migrations")
# A micro-yuan a token; a fifth more for us.
PRICE = Price(1_000_000, 500_000, 1_000_000, 2_000, 1_000_000)

# In quotes: only the stubs know this class as generic.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@pytest.fixture
def database_url(ledger_url: str) -> str:
    """The DSN of a fresh ledger's database, migrated."""
    return ledger_url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The schema of billing, empty."""
    async with postgres_pool(database_url, schema="billing", migrations=MIGRATIONS, connections_max=8) as pool:
        yield pool


@dataclass
class History:
    """Writes to a ledger."""

    pool: Pool
    at: datetime

    async def write(self, *operations: Operation) -> list[int]:
        """Carry these out in one transaction; answers what each came to."""
        outcomes = await PostgresLedger(self.pool).apply(operations, self.at)
        assert all(isinstance(outcome, Result) for outcome in outcomes), outcomes
        return [outcome.amount for outcome in outcomes if isinstance(outcome, Result)]

    async def order(self, out_trade_no: str, user_id: str, amount_fen: int) -> None:
        """An order that waits for its payment."""
        order = Order(
            out_trade_no=out_trade_no,
            user_id=user_id,
            request_id=out_trade_no,
            input_sha256=b"",
            channel=Channel.NATIVE,
            package_id="small",
            tokens=100_000,
            amount_fen=amount_fen,
            description="",
            payer=Payer(client_ip="127.0.0.1"),
            created_at=self.at,
            expires_at=self.at + timedelta(hours=1),
        )
        assert await PaymentStore(self.pool).add_order(order, waiting_max=10)

    def later(self, **span: float) -> "History":
        """The same ledger, some time later."""
        return replace(self, at=self.at + timedelta(**span))


@pytest.fixture
async def history(pool: Pool) -> History:
    """Two users: ann has done everything that can be done, bo only has his trial."""
    history = History(pool, datetime.now(UTC) - timedelta(hours=1))
    await history.write(OpenWallet("ann", 1_000_000), OpenWallet("bo", 1_000_000))
    await history.write(GrantCredit("ann", "gift", 500_000, "欢迎"))
    await history.write(*(Reserve("ann", f"t{n}", "m", 1_000, 1_000, PRICE, 86_400) for n in range(6)))
    await history.later(minutes=1).write(
        Settle("ann", "t0", Usage(1_000, 500, 400), "completed"),
        Settle("ann", "t1", Usage(900, 100), "cancelled"),
        Settle("ann", "t2", Usage(1_000, 1_000), "completed", Source.CACHE),
        Settle("ann", "t3", Usage(10, 10), "failed"),
        Release("ann", "t4"),
    )
    await history.later(minutes=2).write(ReverseTurn("ann", "t3"))
    await history.order("QORDER1", "ann", 1_000)
    paid = PayOrder("ann", "QORDER1", 1_000, "4200000001", history.at)
    await history.later(minutes=3).write(paid)
    await history.later(minutes=4).write(HoldRefund("ann", "RREFUND1", "r1", "QORDER1", 300, "部分退款"))
    await history.later(minutes=5).write(EndRefund("ann", "RREFUND1", RefundEnd.DONE, "5000000001"))
    await history.later(minutes=6).write(HoldRefund("ann", "RREFUND2", "r2", "QORDER1", 100, ""))
    return history
