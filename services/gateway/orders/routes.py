"""`/v1/orders…`: top-ups."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.admission.rate_limit import RateLimit
from services.gateway.edge import body, queries
from services.gateway.edge.client_address import Network, client_address
from services.gateway.edge.operations import PAGE, Operation, Parameter
from services.gateway.edge.responses import json_response, page_response
from services.gateway.edge.schemas import PageOf
from services.gateway.identity.domain import Scope
from services.gateway.orders import purchases
from services.gateway.orders.client import PaymentClient
from services.gateway.orders.domain import Order
from services.gateway.orders.payers import Payers
from services.gateway.policy.view import View, Views
from services.gateway.wallet.money import yuan_of_fen
from services.runtime.errors import Code, RemoteError

_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "The same key with the same order makes it once.",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
)

_ORDER_ID = re.compile(r"[0-9A-Za-z]{6,32}")


class OrderShape(msgspec.Struct):
    """A top-up. Times are in seconds since 1970 UTC.

    `state` is created, paying, paid, refunded or closed; `payment` has what `wx.requestPayment` or
    `wx.requestVirtualPayment` takes, or the `code_url` of a code to scan, while the order can be paid.
    """

    id: str
    state: str
    channel: str
    package_id: str | None
    tokens: int
    amount_fen: int
    amount: str
    refunded_fen: int
    created: int
    expires_at: int
    paid_at: int | None
    payment: dict[str, Any] | None
    currency: Literal["CNY"] = "CNY"
    object: Literal["order"] = "order"


class OrderRoutes:
    """Sells, and says how orders stand."""

    def __init__(
        self,
        gate: Gate,
        views: Views,
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
        self._views = views
        self._payers = payers
        self._payments = payments
        self._rate_limit = rate_limit
        self._orders_per_minute = orders_per_minute
        self._body_bytes_max = body_bytes_max
        self._trusted_proxies = trusted_proxies

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        offered = partial(Operation, tag="orders", scope=Scope.ORDERS)
        return (
            offered(
                "GET",
                "/v1/orders",
                self.orders,
                "List orders, the newest first",
                answer=PageOf[OrderShape],
                parameters=PAGE,
            ),
            offered(
                "POST",
                "/v1/orders",
                self.orders,
                "Make an order",
                answer=OrderShape,
                status=201,
                body=purchases.OrderBody,
                parameters=(_KEY,),
                errors=(
                    "PACKAGE_NOT_FOUND",
                    "PURCHASE_HIDDEN",
                    "CHANNEL_UNAVAILABLE",
                    "TOO_MANY_ORDERS",
                    "PAYMENT_REFUSED",
                    "PAYMENT_UNAVAILABLE",
                    "ORDER_CLOSED",
                    "REQUEST_CONFLICT",
                ),
                examples=(("a package by a code to scan", {"package_id": "small", "channel": "native"}),),
            ),
            offered(
                "GET",
                "/v1/orders/{order_id}",
                self.order,
                "How an order stands",
                answer=OrderShape,
                parameters=(
                    Parameter(
                        "order_id",
                        "path",
                        "The order's id.",
                        {"type": "string", "pattern": "^[0-9A-Za-z]{6,32}$"},
                    ),
                ),
                errors=("ORDER_NOT_FOUND",),
            ),
        )

    async def orders(self, request: Request) -> Response:
        """POST: a new order. Else: the user's orders, the newest first."""
        admitted = await self._gate.enter(request.scope, Scope.ORDERS)
        user_id = admitted.user_id
        if request.method == "POST":
            return await self._create(request, user_id, await self._views.of(request.headers, admitted))
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

    async def _create(self, request: Request, user_id: str, view: View) -> Response:
        await self._rate_limit.count("order", user_id, per_minute=self._orders_per_minute)
        request_id = purchases.idempotency_key(request.headers.get("idempotency-key"), request.state.request_id)
        raw = await body.read(request.receive, request.headers, bytes_max=self._body_bytes_max)
        purchase = purchases.purchase(raw)
        view.demand_purchase(purchase.channel)
        peer = request.client.host if request.client else None
        address = client_address(peer, request.headers.getlist("x-forwarded-for"), self._trusted_proxies)
        payer = await self._payers.payer(user_id, purchase.channel, address)
        return json_response(_order(await self._payments.create(request_id, user_id, purchase, payer)), status=201)


def _order(order: Order) -> OrderShape:
    return OrderShape(
        id=order.id,
        state=order.state or "other",
        channel=order.channel or "other",
        package_id=order.package_id or None,
        tokens=order.tokens,
        amount_fen=order.amount_fen,
        amount=yuan_of_fen(order.amount_fen),
        refunded_fen=order.refunded_fen,
        created=order.created_s,
        expires_at=order.expires_s,
        paid_at=order.paid_s,
        payment=dict(order.parameters) or None,
    )
