"""`/v1/wallet…` and `/v1/usage`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.edge import queries
from services.gateway.edge.body import wrong
from services.gateway.edge.operations import PAGE, PERIOD, Operation, id_in_path
from services.gateway.edge.responses import json_response, page_response
from services.gateway.edge.schemas import PageOf
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import is_id
from services.gateway.policy.view import View, Views
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.schemas import (
    ReceiptShape,
    TransactionShape,
    Usage,
    UsageOfDay,
    UsageSum,
    WalletShape,
)


class WalletRoutes:
    """What one has, and where it went."""

    def __init__(
        self,
        gate: Gate,
        views: Views,
        billing: BillingClient,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Use these; `clock` says which day it is."""
        self._gate = gate
        self._views = views
        self._billing = billing
        self._clock = clock

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        offered = partial(Operation, "GET", tag="wallet", scope=Scope.WALLET)
        return (
            offered("/v1/wallet", self.wallet, "Your wallet", answer=WalletShape),
            offered(
                "/v1/wallet/transactions",
                self.transactions,
                "What moved the balance, the newest first",
                answer=PageOf[TransactionShape],
                parameters=PAGE,
            ),
            offered(
                "/v1/wallet/receipts/{request_id}",
                self.receipt,
                "What one turn cost, and why",
                answer=ReceiptShape,
                parameters=(id_in_path("request_id", "The turn's `X-Request-Id`."),),
                errors=("RESERVATION_NOT_FOUND",),
            ),
            offered("/v1/usage", self.usage, "Charged turns by day and model", answer=Usage, parameters=PERIOD),
        )

    async def wallet(self, request: Request) -> Response:
        """The wallet."""
        user_id = (await self._gate.enter(request.scope, Scope.WALLET)).user_id
        return json_response(WalletShape.of(await self._billing.wallet(user_id)))

    async def transactions(self, request: Request) -> Response:
        """What moved the balance, the newest first."""
        user_id, view = await self._entered(request)
        page = await self._billing.transactions(user_id, queries.page(request.query_params))
        return page_response(page, partial(TransactionShape.of, view=view))

    async def receipt(self, request: Request) -> Response:
        """What one turn cost, and why."""
        user_id, view = await self._entered(request)
        request_id = request.path_params["request_id"]
        if not is_id(request_id):
            raise wrong("request_id", "id")
        receipt = await self._billing.receipt(user_id, request_id)
        return json_response(ReceiptShape.of(receipt, view))

    async def usage(self, request: Request) -> Response:
        """The charged turns by day and model, and their sum."""
        user_id, view = await self._entered(request)
        period = queries.period(request.query_params, self._clock())
        lines = await self._billing.usage(user_id, period.start, period.end)
        days = [UsageOfDay.of_line(line, view) for line in lines]
        return json_response(
            Usage(period.first.isoformat(), period.last.isoformat(), days, UsageSum.over(lines)),
        )

    async def _entered(self, request: Request) -> tuple[str, View]:
        """The user who asks, and what they see."""
        admitted = await self._gate.enter(request.scope, Scope.WALLET)
        return admitted.user_id, await self._views.of(request.headers, admitted)
