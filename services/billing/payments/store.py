"""Orders, refunds, callbacks and incidents in PostgreSQL: everything about payments that moves no money.

What moves money goes through the ledger's writer. Every method raises UnavailableError when the database does not
answer.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import asyncpg
import structlog

from services.billing.payments import rows, sql
from services.billing.payments.domain import Channel, Order, OrderState, Package, Refund
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

# How often a provider is asked about a waiting order or refund: after this long, then twice as long, up to the most.
_FIRST_QUERY_S = 15.0
_QUERY_S_MAX = 3600.0

# asyncpg finds a connection that was cut at the wrong moment in a state that it calls its own fault.

log = structlog.get_logger()


class PaymentStore:
    """The port of payments to their tables."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def packages(self) -> list[Package]:
        """What can be bought, the smallest first; the one called 'custom' prices any number of tokens."""
        with _answering():
            return [rows.package(row) for row in await self._pool.fetch(sql.PACKAGES)]

    async def add_order(self, order: Order, *, waiting_max: int) -> Order | None:
        """Add an order, or answer the one of the same request; None when the user has too many waiting."""
        with _answering():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.LOCK_BUYER, order.user_id)
                row = await connection.fetchrow(
                    sql.ADD_ORDER,
                    *(order.out_trade_no, order.user_id, order.request_id, order.input_sha256, order.channel.value),
                    *(order.package_id, order.tokens, order.amount_fen, order.description, order.payer.openid),
                    *(order.payer.client_ip, order.created_at, order.expires_at, order.virtual_product_id),
                    order.created_at + timedelta(seconds=_FIRST_QUERY_S),
                    waiting_max,
                )
        return rows.order(row) if row else await self.order_of_request(order.user_id, order.request_id)

    async def order_of_request(self, user_id: str, request_id: str) -> Order | None:
        """The order that a request made."""
        return await self._order(sql.ORDER_OF_REQUEST, user_id, request_id)

    async def order_of_transaction(self, transaction_id: str) -> Order | None:
        """The order that a payment paid."""
        return await self._order(sql.ORDER_OF_TRANSACTION, transaction_id)

    async def order(self, out_trade_no: str) -> Order | None:
        """An order."""
        return await self._order(sql.ORDER, out_trade_no)

    async def orders(
        self, *, user_id: str, state: OrderState | None, before: tuple[datetime, str] | None, limit: int
    ) -> list[Order]:
        """Orders, the newest first, from before a moment and number on."""
        moment, number = before or (None, "")
        with _answering():
            found = await self._pool.fetch(sql.ORDERS, user_id, state.value if state else "", moment, number, limit)
        return [rows.order(row) for row in found]

    async def announced(self, out_trade_no: str, parameters: Mapping[str, str]) -> Order | None:
        """The provider knows the order: it waits for payment now. None when it does not wait any more."""
        return await self._order(sql.ANNOUNCED, out_trade_no, json.dumps(dict(parameters)))

    async def closed(self, out_trade_no: str, among: Iterable[OrderState]) -> Order | None:
        """The order cannot be paid any more. None when it is in none of these states."""
        return await self._order(sql.CLOSED, out_trade_no, [state.value for state in among])

    async def claim_order(self, out_trade_no: str, now: datetime, *, every_s: float) -> bool:
        """Whether the caller shall ask the provider now: nobody has for `every_s`."""
        with _answering():
            claimed = await self._pool.fetchval(sql.CLAIM_ORDER, out_trade_no, now, now - timedelta(seconds=every_s))
        return claimed is not None

    async def claim_due_orders(self, now: datetime, channels: Iterable[Channel], limit: int) -> list[Order]:
        """Waiting orders that the caller shall ask about; other replicas get others."""
        with _answering():
            found = await self._pool.fetch(
                sql.CLAIM_DUE_ORDERS, now, _FIRST_QUERY_S, _QUERY_S_MAX, limit, list(channels)
            )
        return [rows.order(row) for row in found]

    async def refund(self, out_refund_no: str) -> Refund | None:
        """A refund."""
        with _answering():
            row = await self._pool.fetchrow(sql.REFUND, out_refund_no)
        return rows.refund(row) if row else None

    async def claim_due_refunds(self, now: datetime, channels: Iterable[Channel], limit: int) -> list[Refund]:
        """Refunds under way that the caller shall ask about; other replicas get others."""
        with _answering():
            found = await self._pool.fetch(
                sql.CLAIM_DUE_REFUNDS, now, _FIRST_QUERY_S, _QUERY_S_MAX, limit, list(channels)
            )
        return [rows.refund(row) for row in found]

    async def callback_seen(self, provider: str, nonce: str) -> bool:
        """Whether this very delivery was taken before."""
        with _answering():
            return bool(await self._pool.fetchval(sql.CALLBACK_SEEN, provider, nonce))

    async def remember_callback(self, provider: str, nonce: str, out_trade_no: str) -> None:
        """This delivery was taken."""
        with _answering():
            await self._pool.execute(sql.REMEMBER_CALLBACK, provider, nonce, out_trade_no)

    async def forget_callbacks(self, before: datetime) -> None:
        """Forget deliveries that are too old to be believed again."""
        with _answering():
            await self._pool.execute(sql.FORGET_CALLBACKS, before)

    async def add_incident(
        self, provider: str, problem: str, out_trade_no: str, facts: Mapping[str, object], *, reference: str = ""
    ) -> bool:
        """Write down what does not fit; False when it was known."""
        with _answering():
            done = await self._pool.execute(
                sql.ADD_INCIDENT, provider, problem, out_trade_no, reference, json.dumps(facts, default=str)
            )
        return done.endswith(" 1")

    async def incident_seen(self, provider: str, problem: str, out_trade_no: str) -> bool:
        """Whether it was written down before."""
        with _answering():
            return bool(await self._pool.fetchval(sql.INCIDENT_SEEN, provider, problem, out_trade_no))

    async def paid_between(
        self, begin: datetime, end: datetime, channels: Iterable[Channel], named: Iterable[str]
    ) -> list[Order]:
        """Orders that were paid through these channels in a span of time, and paid ones that a bill names."""
        with _answering():
            found = await self._pool.fetch(sql.PAID_ON, begin, end, list(channels), list(named))
        return [rows.order(row) for row in found]

    async def refunded_between(
        self, begin: datetime, end: datetime, channels: Iterable[Channel], named: Iterable[str]
    ) -> list[Refund]:
        """Refunds through these channels that were asked for in a span of time, and those that a bill names."""
        with _answering():
            found = await self._pool.fetch(sql.REFUNDED_ON, begin, end, list(channels), list(named))
        return [rows.refund(row) for row in found]

    async def put_reconciliation(self, provider: str, day: date, report: Mapping[str, object]) -> None:
        """Keep the report of a day; a later one replaces it."""
        with _answering():
            await self._pool.execute(sql.PUT_RECONCILIATION, provider, day, json.dumps(report))

    async def reconciled(self, provider: str, day: date) -> bool:
        """Whether there is a report of a day."""
        with _answering():
            return bool(await self._pool.fetchval(sql.RECONCILED, provider, day))

    async def _order(self, statement: str, *arguments: object) -> Order | None:
        with _answering():
            row = await self._pool.fetchrow(statement, *arguments)
        return rows.order(row) if row else None


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except FAILED as error:
        log.error("payments cannot be read or written", error=type(error).__name__)
        raise UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1) from None
