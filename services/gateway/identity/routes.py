"""`/v1/auth/…`."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.address_gate import AddressGate
from services.gateway.edge import body
from services.gateway.edge.operations import Operation
from services.gateway.edge.responses import json_response
from services.gateway.identity import requests
from services.gateway.identity.domain import Tokens
from services.gateway.identity.login import Login
from services.gateway.identity.requests import LoginBody, RefreshBody
from services.gateway.identity.sessions import Sessions


class UserId(msgspec.Struct):
    """A user."""

    id: str


class Session(msgspec.Struct):
    """Tokens of a logged-in user; `expires_in` is the access token's, in seconds. A refresh token works once."""

    access_token: str
    expires_in: int
    refresh_token: str
    user: UserId
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # OAuth's word for how it is sent


class SessionEnded(msgspec.Struct):
    """The session of a refresh token has ended."""

    object: Literal["session"] = "session"
    revoked: bool = True


class AuthRoutes:
    """Logs in and renews."""

    def __init__(self, gate: AddressGate, login: Login, sessions: Sessions, *, body_bytes_max: int) -> None:
        """Use these."""
        self._gate = gate
        self._login = login
        self._sessions = sessions
        self._body_bytes_max = body_bytes_max

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation(
                "POST",
                "/v1/auth/wechat",
                self.wechat,
                "Log in with WeChat",
                "identity",
                Session,
                body=LoginBody,
                errors=("INVALID_LOGIN_CODE", "LOGIN_BLOCKED", "RATE_LIMITED"),
                description="A new user gets a wallet with trial credit.",
                examples=(("a code of wx.login", {"code": "0a3Kbl000Y1Wq"}),),
            ),
            Operation(
                "POST",
                "/v1/auth/refresh",
                self.refresh,
                "Renew a session",
                "identity",
                Session,
                body=RefreshBody,
                errors=("INVALID_REFRESH_TOKEN", "RATE_LIMITED"),
                description="A refresh token that is used twice ends its whole session.",
            ),
            Operation(
                "POST",
                "/v1/auth/revoke",
                self.revoke,
                "Log out",
                "identity",
                SessionEnded,
                body=RefreshBody,
                errors=("RATE_LIMITED",),
                description="The access token ends by itself within two hours.",
            ),
        )

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
        await self._gate.enter(request)
        token = requests.refresh_token(await self._body(request))
        await self._sessions.end(token)
        return json_response(SessionEnded())

    async def _body(self, request: Request) -> bytes:
        return await body.read(request.receive, request.headers, bytes_max=self._body_bytes_max)


def _tokens(tokens: Tokens) -> Response:
    return json_response(
        Session(tokens.access_token, tokens.expires_in_s, tokens.refresh_token, UserId(tokens.user_id))
    )
