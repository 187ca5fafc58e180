"""`/v1/auth/…`."""

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.address_gate import AddressGate
from services.gateway.edge import body
from services.gateway.edge.responses import json_response
from services.gateway.identity import requests
from services.gateway.identity.domain import Tokens
from services.gateway.identity.login import Login
from services.gateway.identity.sessions import Sessions


class AuthRoutes:
    """Logs in and renews."""

    def __init__(self, gate: AddressGate, login: Login, sessions: Sessions, *, body_bytes_max: int) -> None:
        """Use these."""
        self._gate = gate
        self._login = login
        self._sessions = sessions
        self._body_bytes_max = body_bytes_max

    async def wechat(self, request: Request) -> Response:
        """A code of `wx.login` for tokens."""
        await self._gate.enter(request)
        code = requests.login_code(await self._body(request))
        return _tokens(await self._login(code))

    async def refresh(self, request: Request) -> Response:
        """A refresh token for new tokens."""
        await self._gate.enter(request)
        token = requests.refresh_token(await self._body(request))
        return _tokens(await self._sessions.renew(token))

    async def revoke(self, request: Request) -> Response:
        """Log out: the session of a refresh token ends."""
        token = requests.refresh_token(await self._body(request))
        await self._sessions.end(token)
        return json_response({"object": "session", "revoked": True})

    async def _body(self, request: Request) -> bytes:
        return await body.read(request.receive, request.headers, bytes_max=self._body_bytes_max)


def _tokens(tokens: Tokens) -> Response:
    return json_response(
        {
            "access_token": tokens.access_token,
            "token_type": "Bearer",
            "expires_in": tokens.expires_in_s,
            "refresh_token": tokens.refresh_token,
            "user": {"id": tokens.user_id},
        }
    )
