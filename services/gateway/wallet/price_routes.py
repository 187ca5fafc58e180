"""`/v1/prices` and `/v1/packages`: what things cost, and what can be bought."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.edge.languages import Language
from services.gateway.edge.operations import Operation
from services.gateway.edge.responses import json_response
from services.gateway.identity.domain import Scope
from services.gateway.orders.client import PaymentClient
from services.gateway.orders.domain import Package
from services.gateway.policy.policy import Purchases
from services.gateway.policy.view import Views
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.money import yuan_of_fen
from services.gateway.wallet.schemas import Price


class Rate(msgspec.Struct):
    """Where the exchange rate is from, and when it was set, in seconds since 1970 UTC."""

    source: str
    time: int | None


class Prices(msgspec.Struct):
    """What each model costs now."""

    data: list[Price]
    exchange_rate: Rate
    object: Literal["list"] = "list"


class PackageShape(msgspec.Struct):
    """Something that can be bought, in fen; `virtual_amount_fen` is its price by virtual payment, null without one."""

    id: str
    name: str
    tokens: int
    amount_fen: int
    amount: str
    virtual_amount_fen: int | None
    channels: list[str]
    currency: Literal["CNY"] = "CNY"
    object: Literal["package"] = "package"


class Packages(msgspec.Struct):
    """What can be bought now, and the channels that any number of tokens can be paid over."""

    data: list[PackageShape]
    channels: list[str]
    object: Literal["list"] = "list"


class PriceRoutes:
    """Says what things cost."""

    def __init__(self, gate: Gate, views: Views, billing: BillingClient, payments: PaymentClient) -> None:
        """Use these."""
        self._gate = gate
        self._views = views
        self._billing = billing
        self._payments = payments

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation(
                "GET", "/v1/prices", self.prices, "What each model costs now", "wallet", Prices, scope=Scope.WALLET
            ),
            Operation(
                "GET", "/v1/packages", self.packages, "What can be bought", "orders", Packages, scope=Scope.WALLET
            ),
        )

    async def prices(self, request: Request) -> Response:
        """What each model costs now."""
        view = await self._views.of(request.headers, await self._gate.enter(request.scope, Scope.WALLET))
        listed = await self._billing.prices()
        return json_response(
            Prices([Price.of(price, view) for price in listed.prices], Rate(listed.rate_source, listed.rate_s))
        )

    async def packages(self, request: Request) -> Response:
        """What can be bought now, and how it can be paid."""
        view = await self._views.of(request.headers, await self._gate.enter(request.scope, Scope.WALLET))
        if view.purchases is Purchases.NONE:
            return json_response(Packages([], []))
        offers = await self._payments.offers()
        language = view.language
        return json_response(
            Packages([_package(package, language) for package in offers.packages], list(offers.channels))
        )


def _package(package: Package, language: Language) -> PackageShape:
    return PackageShape(
        id=package.id,
        name=package.names[0 if language is Language.CHINESE else 1],
        tokens=package.tokens,
        amount_fen=package.amount_fen,
        amount=yuan_of_fen(package.amount_fen),
        virtual_amount_fen=package.virtual_amount_fen,
        channels=list(package.channels),
    )
