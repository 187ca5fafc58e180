"""The mini-program's access token: one for the whole fleet, fetched once.

It is kept in Redis, encrypted with a key made from the mini-program's own secret, and never logged. Whoever finds none
fetches it while the others wait. Without Redis each replica fetches for itself, and is given the same one: that is what
a stable token is (WeChat's document of getStableAccessToken).
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.moderation.errors import LayerDownError
from services.moderation.layers.wechat_client import WeChatAccount, WeChatError
from services.runtime.sealing import Sealer

# The platform hands out the next token so long before the end of this one.
_OVERLAP_S = 300.0
_LASTS_S_MAX = 7200.0

# Whoever fetches has so long; whoever waits for them looks this often.
_LOCK_S = 10.0
_LOOK_EVERY_S = 0.05

# Nobody waits longer than this for Redis, and one that failed is left alone for a while.
_PATIENCE_S = 0.25
_PAUSE_S = 1.0

# The platform forces a new token at most 20 times a day, and we only when the ordinary call went on answering one that
# was refused so many times.
_REFUSALS_TO_FORCE = 2
_REFUSALS_KEPT_S = 600
_FORCED_EVERY_S = 86_400 // 20

# KEYS: the token, its refusals. ARGV: the token as it is stored, and how long refusals are remembered. The token of
# somebody who fetched a newer one stays.
_REFUSE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
"""

log = structlog.get_logger()


class TokenSource(Protocol):
    """Where tokens come from."""

    async def stable_token(self, *, force: bool) -> Mapping[str, object]:
        """The platform's answer; `force` makes it a new one and ends the old.

        Raises:
            WeChatError: The platform says no.
            LayerDownError: It does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Token:
    """A token, as it is stored, and when it is no longer to be used (monotonic, in seconds)."""

    value: str = field(repr=False)
    sealed: bytes = field(repr=False)
    until_s: float


class AccessTokens:
    """Answers the token that is in force."""

    def __init__(
        self, redis: Redis, source: TokenSource, account: WeChatAccount, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Serve this mini-program."""
        self._redis = redis
        self._source = source
        self._appid = account.appid
        self._sealer = Sealer(account.secret, purpose="wechat access token")
        # In braces, so that a cluster of Redis keeps them together.
        self._key = f"moderation:wechat:{{{account.appid}}}:token"
        self._refuse = redis.register_script(_REFUSE)
        self._clock = clock
        self._token: _Token | None = None
        # As it was stored: it may still be there when the next one is looked for.
        self._refused: bytes | None = None
        self._finding: asyncio.Task[_Token] | None = None
        self._alone_until = 0.0

    async def get(self) -> str:
        """The token to use now.

        Raises:
            LayerDownError: The platform gives none.
        """
        if self._token is not None and self._clock() < self._token.until_s:
            return self._token.value
        if self._finding is None:
            self._finding = asyncio.create_task(self._find())
            self._finding.add_done_callback(self._found)
        # Whoever gives up waiting does not stop it for the others.
        return (await asyncio.shield(self._finding)).value

    async def refused(self, value: str) -> None:
        """The platform does not take this token: drop it, unless there is a newer one already."""
        token = self._token
        if token is None or token.value != value:
            return
        self._token = None
        self._refused = token.sealed
        log.warning("wechat refuses the access token")
        if self._clock() < self._alone_until:
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._refuse(keys=[self._key, self._refusals_key(value)], args=[token.sealed, _REFUSALS_KEPT_S])
        except (RedisError, OSError, TimeoutError) as error:
            self._be_alone(error)

    async def aclose(self) -> None:
        """Fetch nothing more."""
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)

    def _found(self, finding: asyncio.Task[_Token]) -> None:
        self._finding = None
        # A failure is looked at here, too: everyone who waited may have gone.
        if not finding.cancelled() and finding.exception() is None:
            self._token = finding.result()

    async def _find(self) -> _Token:
        """The token that is shared, or a fetched one."""
        fetched: _Token | None = None
        if self._clock() >= self._alone_until:
            try:
                if shared := await self._shared():
                    return shared
                lock = self._redis.lock(
                    f"{self._key}:lock", timeout=_LOCK_S, sleep=_LOOK_EVERY_S, blocking_timeout=_LOCK_S
                )
                async with lock:
                    if shared := await self._shared():
                        return shared
                    fetched = await self._fetch()
                    lasts_s = fetched.until_s - self._clock()
                    await self._redis.set(self._key, fetched.sealed, px=max(1, round(lasts_s * 1000)))
            except (RedisError, OSError, TimeoutError) as error:
                self._be_alone(error)
        return fetched or await self._ask(force=False)

    async def _shared(self) -> _Token | None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.get(self._key)
            pipeline.pttl(self._key)
            sealed, lasts_ms = await pipeline.execute()
        if sealed == self._refused:
            return None
        value = None if sealed is None else self._sealer.unseal(self._appid, sealed)
        if value is None or lasts_ms <= 0:
            return None
        return _Token(value, sealed, self._clock() + lasts_ms / 1000)

    async def _fetch(self) -> _Token:
        token = await self._ask(force=False)
        refusals = int(await self._redis.get(self._refusals_key(token.value)) or 0)
        if refusals >= _REFUSALS_TO_FORCE and await self._redis.set(
            f"{self._key}:forced", b"1", nx=True, ex=_FORCED_EVERY_S
        ):
            log.error("wechat goes on answering an access token that it refuses: a new one is forced")
            return await self._ask(force=True)
        return token

    async def _ask(self, *, force: bool) -> _Token:
        try:
            answer = await self._source.stable_token(force=force)
        except WeChatError as error:
            log.error("wechat gives no access token", errcode=error.errcode)
            raise LayerDownError("error") from None
        value, lasts_s = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(value, str) or not value or not isinstance(lasts_s, int) or lasts_s <= 0:
            log.error("wechat's answer holds no access token")
            raise LayerDownError("error")
        lasts_s = min(lasts_s, _LASTS_S_MAX)
        used_s = max(lasts_s - _OVERLAP_S, lasts_s / 2)
        return _Token(value, self._sealer.seal(self._appid, value), self._clock() + used_s)

    def _refusals_key(self, value: str) -> str:
        return f"{self._key}:refused:{hashlib.sha256(value.encode()).hexdigest()[:16]}"

    def _be_alone(self, error: Exception) -> None:
        self._alone_until = self._clock() + _PAUSE_S
        log.warning("wechat's access token is not shared: redis does not answer", error=type(error).__name__)


class PlatformTokens:
    """No token: WeChat Cloud Run authorises calls that leave its containers."""

    async def get(self) -> str:
        """None is sent."""
        return ""

    async def refused(self, value: str) -> None:
        """Nothing can be done about it here."""
