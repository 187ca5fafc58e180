"""`/v1/me` and `/v1/wallet`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission import Gate
from services.gateway.clients import BillingClient
from services.gateway.domain import Wallet, yuan
from services.gateway.routes.json_response import json_response


class WalletRoutes:
    """Who one is, and what one has."""

    def __init__(self, gate: Gate, billing: BillingClient) -> None:
        """Use these."""
        self._gate = gate
        self._billing = billing

    async def me(self, request: Request) -> Response:
        """The user and their wallet."""
        user_id = await self._gate.enter(request.headers)
        wallet = await self._billing.wallet(user_id)
        return json_response({"user": {"id": user_id}, "wallet": _wallet(wallet)})

    async def wallet(self, request: Request) -> Response:
        """The wallet."""
        user_id = await self._gate.enter(request.headers)
        return json_response(_wallet(await self._billing.wallet(user_id)))


def _wallet(wallet: Wallet) -> dict[str, Any]:
    return {
        "object": "wallet",
        "balance_micros": wallet.balance_micros,
        "reserved_micros": wallet.reserved_micros,
        "available_micros": wallet.available_micros,
        "currency": "CNY",
        "available": yuan(wallet.available_micros),
    }
