"""`/v1/prices` and `/v1/packages`: what things cost, and what can be bought."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.edge import languages
from services.gateway.edge.languages import Language
from services.gateway.edge.responses import json_response
from services.gateway.identity.domain import Scope
from services.gateway.orders.client import PaymentClient
from services.gateway.orders.domain import Package
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.domain import ModelPrice
from services.gateway.wallet.money import yuan_of_fen


class PriceRoutes:
    """Says what things cost."""

    def __init__(self, gate: Gate, billing: BillingClient, payments: PaymentClient) -> None:
        """Use these."""
        self._gate = gate
        self._billing = billing
        self._payments = payments

    async def prices(self, request: Request) -> Response:
        """What each model costs now."""
        await self._gate.enter(request.scope, Scope.WALLET)
        listed = await self._billing.prices()
        return json_response(
            {
                "object": "list",
                "data": [_price(price) for price in listed.prices],
                "exchange_rate": {"source": listed.rate_source, "time": listed.rate_s},
            }
        )

    async def packages(self, request: Request) -> Response:
        """What can be bought now, and how it can be paid."""
        await self._gate.enter(request.scope, Scope.WALLET)
        offers = await self._payments.offers()
        language = languages.language(request.headers.get("accept-language"))
        return json_response(
            {
                "object": "list",
                "data": [_package(package, language) for package in offers.packages],
                "channels": list(offers.channels),
            }
        )


def terms(price: ModelPrice) -> dict[str, Any]:
    """What a price is made of."""
    return {
        "model": price.model,
        "input_usd_micros_per_million": price.input_usd_micros_per_million,
        "cached_input_usd_micros_per_million": price.cached_input_usd_micros_per_million,
        "output_usd_micros_per_million": price.output_usd_micros_per_million,
        "markup_basis_points": price.markup_basis_points,
        "cny_micros_per_usd": price.cny_micros_per_usd,
    }


def _price(price: ModelPrice) -> dict[str, Any]:
    return {
        "object": "price",
        **terms(price),
        "effective": price.effective_s,
        "currency": "CNY",
        "input_micros_per_million": price.input_micros_per_million,
        "cached_input_micros_per_million": price.cached_input_micros_per_million,
        "output_micros_per_million": price.output_micros_per_million,
    }


def _package(package: Package, language: Language) -> dict[str, Any]:
    return {
        "id": package.id,
        "object": "package",
        "name": package.names[0 if language is Language.CHINESE else 1],
        "tokens": package.tokens,
        "amount_fen": package.amount_fen,
        "amount": yuan_of_fen(package.amount_fen),
        "virtual_amount_fen": package.virtual_amount_fen,
        "currency": "CNY",
        "channels": list(package.channels),
    }
