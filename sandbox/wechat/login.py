"""Login and access tokens as `api.weixin.qq.com` answers them.

Every answer has HTTP status 200; what went wrong is in `errcode`. Sources: the official documents of
`auth.code2Session`, `getAccessToken` and `getStableAccessToken`.

Unlike the real platform, any code works and works again, and the same code is always the same user: that is what
makes two people on one laptop two people. A code that begins with `invalid` or `used` or `blocked` is answered as
the platform answers such a code.
"""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_TOKEN_S = 7200


def refuse(errcode: int, errmsg: str) -> JSONResponse:
    """An error in the platform's shape; the trace suffix is part of it."""
    return JSONResponse({"errcode": errcode, "errmsg": f"{errmsg}, rid: {secrets.token_hex(4)}-{secrets.token_hex(4)}"})


@dataclass
class Platform:
    """One mini-program's account with the platform."""

    appid: str
    secret: str
    _stable: tuple[str, float] | None = field(default=None)
    _plain: dict[str, float] = field(default_factory=dict)

    def wrong_account(self, appid: str | None, secret: str | None) -> JSONResponse | None:
        """The platform's complaint about credentials, if it has one."""
        if not appid:
            return refuse(41002, "appid missing")
        if appid != self.appid:
            return refuse(40013, "invalid appid")
        if not secret:
            return refuse(41004, "appsecret missing")
        if not hmac.compare_digest(str(secret).encode(), self.secret.encode()):
            return refuse(40125, "invalid appsecret")
        return None

    def openid(self, code: str) -> str:
        """Who a login code is."""
        digest = hashlib.sha256(f"{self.appid}:{code}".encode()).digest()
        return f"o{_urlsafe(digest)[:27]}"

    def session_key(self, openid: str) -> str:
        """The key of a user's session, the same in every login: it must outlive a restart of the stand-in."""
        return _base64(hmac.digest(self.secret.encode(), f"session:{openid}".encode(), "sha256")[:16])

    def plain_token(self) -> str:
        """A new token of `/cgi-bin/token`."""
        token = secrets.token_urlsafe(64)
        self._plain[token] = time.monotonic() + _TOKEN_S
        return token

    def complaint_about_token(self, token: str | None) -> JSONResponse | None:
        """The platform's complaint about an access token, if it has one."""
        if not token:
            return refuse(41001, "access_token missing")
        end = (self._plain | dict([self._stable] if self._stable else [])).get(token)
        if end is None:
            return refuse(40001, "invalid credential, access_token is invalid or not latest")
        return refuse(42001, "access_token expired") if end <= time.monotonic() else None

    def stable_token(self, *, force_refresh: bool) -> tuple[str, int]:
        """The current token and the whole seconds it is still good for; the same one while it is valid."""
        now = time.monotonic()
        if force_refresh or self._stable is None or self._stable[1] <= now:
            self._stable = (secrets.token_urlsafe(64), now + _TOKEN_S)
        token, end = self._stable
        return token, int(end - now)


def routes(platform: Platform) -> list[Route]:
    """Where login and tokens are."""

    async def jscode2session(request: Request) -> JSONResponse:
        query = request.query_params
        if (complaint := platform.wrong_account(query.get("appid"), query.get("secret"))) is not None:
            return complaint
        code = query.get("js_code", "")
        if query.get("grant_type") != "authorization_code":
            return refuse(40002, "invalid grant_type")
        if not code or code.startswith("invalid"):
            return refuse(40029, "invalid code")
        if code.startswith("used"):
            return refuse(40163, "code been used")
        if code.startswith("blocked"):
            return refuse(40226, "code blocked")
        openid = platform.openid(code)
        return JSONResponse({"openid": openid, "session_key": platform.session_key(openid)})

    async def token(request: Request) -> JSONResponse:
        query = request.query_params
        if (complaint := platform.wrong_account(query.get("appid"), query.get("secret"))) is not None:
            return complaint
        if query.get("grant_type") != "client_credential":
            return refuse(40002, "invalid grant_type")
        return JSONResponse({"access_token": platform.plain_token(), "expires_in": _TOKEN_S})

    async def stable_token(request: Request) -> JSONResponse:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return refuse(47001, "data format error")
        if (complaint := platform.wrong_account(body.get("appid"), body.get("secret"))) is not None:
            return complaint
        if body.get("grant_type") != "client_credential":
            return refuse(40002, "invalid grant_type")
        access_token, expires_in = platform.stable_token(force_refresh=body.get("force_refresh") is True)
        return JSONResponse({"access_token": access_token, "expires_in": expires_in})

    return [
        Route("/sns/jscode2session", jscode2session),
        Route("/cgi-bin/token", token),
        Route("/cgi-bin/stable_token", stable_token, methods=["POST"]),
    ]


def _urlsafe(data: bytes) -> str:
    return _base64(data).replace("+", "-").replace("/", "_")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
