"""Users whom WeChat Cloud Run (微信云托管) has logged in: it says in headers who calls, and lets nobody else say so.

`wx.cloud.callContainer` reaches the container without an own domain; the platform strips these headers from whatever
comes another way. Anywhere else anybody could write them, so they count only with WECHAT_CLOUD_RUN=true, and the
gateway refuses to start with it where the platform is not.
"""

from collections.abc import Container
from typing import Protocol

from cachetools import TTLCache
from starlette.datastructures import Headers

from services.gateway.identity.domain import Arrival, Caller
from services.gateway.metrics import GatewayMetrics
from services.runtime.errors import ConfigurationError

_OPENID, _APPID = "x-wx-openid", "x-wx-appid"

# A user is looked up, and their wallet opened, once in this time in each replica.
_TTL_S = 600.0
_USERS_MAX = 50_000

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Users(Protocol):
    """Knows users."""

    async def user_of_openid(self, openid: str) -> Arrival:
        """The user; a new one is created."""
        ...


class Wallets(Protocol):
    """Opens wallets."""

    async def open(self, user_id: str, *, trial: bool) -> None:
        """Open the user's wallet, with trial credit or without, unless it is open."""
        ...


class CloudRun:
    """Tells callers by the platform's headers."""

    def __init__(
        self,
        users: Users,
        wallets: Wallets,
        erased: Container[str],
        appid: str,
        metrics: GatewayMetrics,
        *,
        trusted: bool,
    ) -> None:
        """Believe the headers if they are trusted, and then only those of this mini-program.

        Who is among `erased` and comes again is a new user.
        """
        self._erased = erased
        self._users = users
        self._wallets = wallets
        self._appid = appid
        self._metrics = metrics
        self._trusted = trusted
        self._known: TTLCache[str, str] = TTLCache(_USERS_MAX, ttl=_TTL_S)

    async def caller(self, headers: Headers) -> Caller | None:
        """Who calls; None when the platform does not say, or is not asked.

        Raises:
            ServiceError: The accounts or billing do not answer.
        """
        openid = headers.get(_OPENID, "")
        if not openid:
            return None
        if not self._trusted or headers.get(_APPID) != self._appid:
            self._metrics.cloud_run_ignored.inc()
            return None
        user_id = self._known.get(openid)
        if user_id is None or user_id in self._erased:
            user = await self._users.user_of_openid(openid)
            await self._wallets.open(user.user_id, trial=not user.comes_back)
            user_id = self._known[openid] = user.user_id
        return Caller(user_id)


def demand_platform(*, trusted: bool, host: str, mark: str | None) -> None:
    """Refuse to believe the headers where anybody could write them.

    Args:
        trusted: Whether WECHAT_CLOUD_RUN is set.
        host: Where the gateway listens.
        mark: The value of the variable that only the platform sets; None when it is not set.

    Raises:
        ConfigurationError: It would listen on a public address, and this is not the platform.
    """
    if trusted and host not in _LOOPBACK and not mark:
        raise ConfigurationError(
            "WECHAT_CLOUD_RUN=true lets anybody who reaches this address be anybody: it is for WeChat Cloud Run alone, "
            "which sets CBR_ENV_ID. Unset it, or set WECHAT_CLOUD_RUN_MARK to the name of a variable that your "
            "environment of the platform has."
        )
