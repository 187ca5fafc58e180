"""`/v1/moderations`: texts judged by the layers that judge turns."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.edge import body, languages
from services.gateway.edge.operations import Operation
from services.gateway.edge.responses import json_response
from services.gateway.identity.domain import Scope
from services.gateway.identity.principals import Principals
from services.gateway.moderation import moderations
from services.gateway.moderation.client import ModerationClient


class ModerationRoutes:
    """Judges texts."""

    def __init__(
        self, gate: Gate, principals: Principals, moderation: ModerationClient, *, body_bytes_max: int
    ) -> None:
        """Use these."""
        self._gate = gate
        self._principals = principals
        self._moderation = moderation
        self._body_bytes_max = body_bytes_max

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation(
                "POST",
                "/v1/moderations",
                self.create,
                "Judge texts by the layers that judge turns",
                "moderation",
                moderations.Moderations,
                scope=Scope.CHAT,
                body=moderations.ModerationBody,
                errors=("MODERATION_UNAVAILABLE",),
                examples=(("two texts", {"input": ["你好", "鹊桥违禁词示例"]}),),
            ),
            Operation(
                "POST",
                "/sec-check",
                self.check,
                "Whether a text may be sent, as mini-programs ask WeChat",
                "moderation",
                moderations.SecCheck,
                scope=Scope.CHAT,
                body=moderations.SecCheckBody,
                errors=("MODERATION_UNAVAILABLE",),
                examples=(("a text", {"content": "你好"}),),
            ),
        )

    async def check(self, request: Request) -> Response:
        """Whether a text may be sent, in the shape of WeChat's own security.msgSecCheck."""
        admitted = await self._gate.enter(request.scope, Scope.CHAT)
        text = moderations.checked_text(
            await body.read(request.receive, request.headers, bytes_max=self._body_bytes_max)
        )
        principal = await self._principals.principal(admitted.user_id)
        (found,) = await self._moderation.moderate(request.state.request_id, principal, (text,))
        return json_response(moderations.SecCheck(87014, "risky content") if found.refused else moderations.SecCheck())

    async def create(self, request: Request) -> Response:
        """What is found in each text. Each counts as a request: it can cost the layers as much as a turn's does."""
        admitted = await self._gate.enter(request.scope, Scope.CHAT)
        raw = await body.read(request.receive, request.headers, bytes_max=self._body_bytes_max)
        asked = moderations.moderation_request(raw)
        await self._gate.count(admitted, len(asked.texts) - 1)
        principal = await self._principals.principal(admitted.user_id)
        request_id = request.state.request_id
        found = await self._moderation.moderate(request_id, principal, asked.texts)
        language = languages.language(request.headers.get("accept-language"))
        return json_response(moderations.answer(request_id, asked.model, found, language))
