"""`/v1/me`: who one is, what one has, and what the platform allows here."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Admitted, Gate
from services.gateway.edge.body import fit, parse, read
from services.gateway.edge.operations import Operation
from services.gateway.edge.responses import json_response
from services.gateway.edge.schemas import Deleted
from services.gateway.identity.domain import Scope
from services.gateway.identity.erasure import Erasure
from services.gateway.identity.principals import Principals
from services.gateway.identity.routes import UserId
from services.gateway.policy.view import View, Views
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.schemas import WalletShape


class PlatformPolicy(msgspec.Struct):
    """What this kind of client is shown and may do: see policy.toml. `ai_label` stands beside answers, "" for none."""

    client: str
    model_names: str
    code: str
    purchase: str
    ai_label: str
    minor_mode: bool

    @classmethod
    def of(cls, view: View) -> "PlatformPolicy":
        """The policy that a client sees."""
        rules = view.policy.rules[view.client]
        return cls(
            client=view.client.value,
            model_names=rules.model_names.value,
            code=rules.code.value,
            purchase=view.purchases.value,
            ai_label=view.ai_label,
            minor_mode=view.minor,
        )


class Me(msgspec.Struct):
    """Who one is, what one has, and what the platform allows."""

    user: UserId
    wallet: WalletShape
    policy: PlatformPolicy


class MeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to change: minors' mode on or off."""

    minor_mode: bool


class Minors(Protocol):
    """Keeps who is in minors' mode."""

    async def set_minor_mode(self, user_id: str, minor: bool) -> None:
        """Switch it on or off."""
        ...


class MeRoutes:
    """Says who one is."""

    def __init__(
        self,
        gate: Gate,
        views: Views,
        minors: Minors,
        principals: Principals,
        billing: BillingClient,
        erasure: Erasure,
        *,
        body_bytes_max: int,
    ) -> None:
        """Use these."""
        self._gate = gate
        self._views = views
        self._minors = minors
        self._principals = principals
        self._billing = billing
        self._erasure = erasure
        self._body_bytes_max = body_bytes_max

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        offered = partial(Operation, path="/v1/me", endpoint=self.me, tag="identity")
        return (
            offered(
                method="GET",
                summary="Who am I, what have I, and what may this client",
                scope=Scope.WALLET,
                answer=Me,
            ),
            offered(
                method="DELETE",
                summary="Delete my data and end every session and key of mine",
                scope=Scope.ACCOUNT,
                answer=Deleted,
                description="Conversations, messages, ratings, streams and the identity are erased for good, at once. "
                "The ledger keeps what was paid, under an id that names nobody any more; credit that is left is lost. "
                "Whoever logs in again is a new user.",
            ),
            offered(
                method="PATCH",
                summary="Switch minors' mode on or off",
                scope=Scope.ACCOUNT,
                answer=Me,
                body=MeBody,
                description="In minors' mode chats are open by day only, and nothing can be bought.",
            ),
        )

    async def me(self, request: Request) -> Response:
        """The user, their wallet and the policy; PATCH changes minors' mode first, DELETE erases the user."""
        if request.method == "DELETE":
            user_id = (await self._gate.enter(request.scope, Scope.ACCOUNT)).user_id
            await self._erasure.erase(user_id)
            self._principals.forget(user_id)
            return json_response(Deleted(user_id, "user"))
        if request.method != "PATCH":
            return await self._shown(request, await self._gate.enter(request.scope, Scope.WALLET))
        admitted = await self._gate.enter(request.scope, Scope.ACCOUNT)
        raw = await read(request.receive, request.headers, bytes_max=self._body_bytes_max)
        await self._minors.set_minor_mode(admitted.user_id, fit(parse(raw), MeBody).minor_mode)
        self._principals.forget(admitted.user_id)
        return await self._shown(request, admitted)

    async def _shown(self, request: Request, admitted: Admitted) -> Response:
        wallet = await self._billing.wallet(admitted.user_id)
        view = await self._views.of(request.headers, admitted)
        return json_response(Me(UserId(admitted.user_id), WalletShape.of(wallet), PlatformPolicy.of(view)))
