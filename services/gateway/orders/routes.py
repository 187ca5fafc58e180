"""`/v1/orders…`: top-ups."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.admission.rate_limit import RateLimit
from services.gateway.edge import body, queries
from services.gateway.edge.client_address import Network, client_address
from services.gateway.edge.responses import json_response, page_response
from services.gateway.identity.domain import Scope
from services.gateway.orders import purchases
from services.gateway.orders.client import PaymentClient
from services.gateway.orders.domain import Order
from services.gateway.orders.payers import Payers
from services.gateway.wallet.money import yuan_of_fen
from services.runtime.errors import Code, RemoteError

_ORDER_ID = re.compile(r"[0-9A-Za-z]{6,32}")


class OrderRoutes:
    """Sells, and says how orders stand."""

    def __init__(
        self,
        gate: Gate,
        payers: Payers,
        payments: PaymentClient,
        rate_limit: RateLimit,
        *,
        orders_per_minute: int,
        body_bytes_max: int,
        trusted_proxies: Sequence[Network],
    ) -> None:
        """Use these; `trusted_proxies` are believed about the address that a user asks from."""
        self._gate = gate
        self._payers = payers
        self._payments = payments
        self._rate_limit = rate_limit
        self._orders_per_minute = orders_per_minute
        self._body_bytes_max = body_bytes_max
        self._trusted_proxies = trusted_proxies

    async def orders(self, request: Request) -> Response:
        """POST: a new order. Else: the user's orders, the newest first."""
        user_id = (await self._gate.enter(request.scope, Scope.ORDERS)).user_id
        if request.method == "POST":
            return await self._create(request, user_id)
        page = await self._payments.orders(user_id, queries.page(request.query_params))
        return page_response(page, _order)

    async def order(self, request: Request) -> Response:
        """One order."""
        user_id = (await self._gate.enter(request.scope, Scope.ORDERS)).user_id
        order_id = request.path_params["order_id"]
        if not _ORDER_ID.fullmatch(order_id):
            # The error that asking for an order of nobody's would give.
            raise RemoteError(Code.NOT_FOUND, "ORDER_NOT_FOUND", "There is no such order.")
        return json_response(_order(await self._payments.order(user_id, order_id)))

    async def _create(self, request: Request, user_id: str) -> Response:
        await self._rate_limit.count("order", user_id, per_minute=self._orders_per_minute)
        request_id = purchases.idempotency_key(request.headers.get("idempotency-key"), request.state.request_id)
        raw = await body.read(request.receive, request.headers, bytes_max=self._body_bytes_max)
        purchase = purchases.purchase(raw)
        peer = request.client.host if request.client else None
        address = client_address(peer, request.headers.getlist("x-forwarded-for"), self._trusted_proxies)
        payer = await self._payers.payer(user_id, purchase.channel, address)
        return json_response(_order(await self._payments.create(request_id, user_id, purchase, payer)), status=201)


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "object": "order",
        "state": order.state or "other",
        "channel": order.channel or "other",
        "package_id": order.package_id or None,
        "tokens": order.tokens,
        "amount_fen": order.amount_fen,
        "amount": yuan_of_fen(order.amount_fen),
        "currency": "CNY",
        "refunded_fen": order.refunded_fen,
        "created": order.created_s,
        "expires_at": order.expires_s,
        "paid_at": order.paid_s,
        "payment": dict(order.parameters) or None,
    }
