"""`/v1/me`, `/v1/wallet…` and `/v1/usage`."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.edge import languages, queries
from services.gateway.edge.body import wrong
from services.gateway.edge.languages import Language
from services.gateway.edge.responses import json_response, page_response
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import is_id
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.domain import Receipt, TokenUsage, Transaction, UsageLine, Wallet
from services.gateway.wallet.explanations import explanation
from services.gateway.wallet.money import yuan
from services.gateway.wallet.price_routes import terms


class WalletRoutes:
    """Who one is, what one has, and where it went."""

    def __init__(
        self, gate: Gate, billing: BillingClient, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Use these; `clock` says which day it is."""
        self._gate = gate
        self._billing = billing
        self._clock = clock

    async def me(self, request: Request) -> Response:
        """The user and their wallet."""
        user_id = (await self._gate.enter(request.scope, Scope.WALLET)).user_id
        wallet = await self._billing.wallet(user_id)
        return json_response({"user": {"id": user_id}, "wallet": _wallet(wallet)})

    async def wallet(self, request: Request) -> Response:
        """The wallet."""
        user_id = (await self._gate.enter(request.scope, Scope.WALLET)).user_id
        return json_response(_wallet(await self._billing.wallet(user_id)))

    async def transactions(self, request: Request) -> Response:
        """What moved the balance, the newest first."""
        user_id = (await self._gate.enter(request.scope, Scope.WALLET)).user_id
        page = await self._billing.transactions(user_id, queries.page(request.query_params))
        return page_response(page, partial(_transaction, language=_language(request)))

    async def receipt(self, request: Request) -> Response:
        """What one turn cost, and why."""
        user_id = (await self._gate.enter(request.scope, Scope.WALLET)).user_id
        request_id = request.path_params["request_id"]
        if not is_id(request_id):
            raise wrong("request_id", "id")
        receipt = await self._billing.receipt(user_id, request_id)
        return json_response(_receipt(receipt, _language(request)))

    async def usage(self, request: Request) -> Response:
        """The charged turns by day and model, and their sum."""
        user_id = (await self._gate.enter(request.scope, Scope.WALLET)).user_id
        period = queries.period(request.query_params, self._clock())
        lines = await self._billing.usage(user_id, period.start, period.end)
        return json_response(
            {
                "object": "usage",
                "start": period.first.isoformat(),
                "end": period.last.isoformat(),
                "lines": [{"day": line.day, "model": line.model, **_sum([line])} for line in lines],
                "totals": _sum(lines),
            }
        )


def _language(request: Request) -> Language:
    return languages.language(request.headers.get("accept-language"))


def _wallet(wallet: Wallet) -> dict[str, Any]:
    return {
        "object": "wallet",
        "balance_micros": wallet.balance_micros,
        "reserved_micros": wallet.reserved_micros,
        "available_micros": wallet.available_micros,
        "currency": "CNY",
        "available": yuan(wallet.available_micros),
    }


def _transaction(transaction: Transaction, language: Language) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": str(transaction.id),
        "object": "transaction",
        "kind": transaction.kind or "other",
        "amount_micros": transaction.amount_micros,
        "amount": yuan(transaction.amount_micros),
        "balance_after_micros": transaction.balance_after_micros,
        "currency": "CNY",
        "request_id": transaction.request_id,
        "created": transaction.created_s,
    }
    if transaction.receipt is not None:
        shape["receipt"] = _receipt(transaction.receipt, language)
    return shape


def _receipt(receipt: Receipt, language: Language) -> dict[str, Any]:
    return {
        "object": "receipt",
        "request_id": receipt.request_id,
        "model": receipt.model,
        "state": receipt.state or "other",
        "outcome": receipt.outcome or None,
        "source": receipt.source or None,
        "usage": None if receipt.usage is None else _tokens(receipt.usage),
        "price": terms(receipt.price),
        "reserved_micros": receipt.reserved_micros,
        "charged_micros": receipt.charged_micros,
        "charged": yuan(receipt.charged_micros),
        "currency": "CNY",
        "created": receipt.created_s,
        "closed": receipt.closed_s,
        "explanation": explanation(receipt, language),
    }


def _tokens(usage: TokenUsage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }


def _sum(lines: Iterable[UsageLine]) -> dict[str, Any]:
    lines = list(lines)
    charged_micros = sum(line.charged_micros for line in lines)
    tokens = TokenUsage(
        input_tokens=sum(line.tokens.input_tokens for line in lines),
        cached_input_tokens=sum(line.tokens.cached_input_tokens for line in lines),
        output_tokens=sum(line.tokens.output_tokens for line in lines),
    )
    return {
        "turns": sum(line.turns for line in lines),
        **_tokens(tokens),
        "charged_micros": charged_micros,
        "charged": yuan(charged_micros),
    }
