"""Whose request this is: a bearer token is an API key or a session's access token."""

import time
from collections.abc import Callable, Container
from typing import Protocol

from cachetools import TTLCache
from starlette.datastructures import Headers

from services.gateway.errors import InvalidApiKeyError
from services.gateway.identity.domain import Caller
from services.gateway.identity.ids import digest, is_api_key

# A revoked key works for at most this long in a replica that has just seen it.
_KEY_TTL_S = 5.0
_KEYS_MAX = 10_000


class KeyOwners(Protocol):
    """Where API keys are kept."""

    async def caller(self, sha256: bytes) -> Caller | None:
        """Who the live key with this digest belongs to."""
        ...


class SessionUsers(Protocol):
    """Knows access tokens."""

    def user_of(self, access_token: str) -> str | None:
        """Whose access token this is."""
        ...


class PlatformCallers(Protocol):
    """Knows whom the platform has logged in."""

    async def caller(self, headers: Headers) -> Caller | None:
        """Who calls; None when the platform does not say."""
        ...


class Authenticator:
    """Tells callers by their bearer tokens; whoever was erased is nobody any more."""

    def __init__(
        self,
        keys: KeyOwners,
        sessions: SessionUsers,
        platform: PlatformCallers,
        erased: Container[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask these; `erased` are users who were erased lately; `clock` in seconds."""
        self._erased = erased
        self._keys = keys
        self._sessions = sessions
        self._platform = platform
        self._known: TTLCache[bytes, Caller] = TTLCache(_KEYS_MAX, ttl=_KEY_TTL_S, timer=clock)

    async def caller_of(self, headers: Headers) -> Caller:
        """Who makes a request: by its token, or without one, by what the platform says.

        Raises:
            InvalidApiKeyError: As `caller`.
            UnavailableError: As `caller`.
        """
        authorization = headers.get("authorization")
        if authorization is None and (caller := await self._platform.caller(headers)) is not None:
            return caller
        return await self.caller(authorization)

    async def caller(self, authorization: str | None) -> Caller:
        """Who sends this header.

        Raises:
            InvalidApiKeyError: Whatever is wrong with the header; it never says what.
            UnavailableError: The store of keys does not answer.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise InvalidApiKeyError
        caller = await self._key_caller(digest(token)) if is_api_key(token) else self._session_caller(token)
        if caller is None or caller.user_id in self._erased:
            raise InvalidApiKeyError
        return caller

    def _session_caller(self, token: str) -> Caller | None:
        user_id = self._sessions.user_of(token)
        return None if user_id is None else Caller(user_id)

    async def _key_caller(self, sha256: bytes) -> Caller | None:
        caller = self._known.get(sha256)
        if caller is None:
            caller = await self._keys.caller(sha256)
            if caller is not None:
                # Only keys that exist are remembered: made-up ones cannot push them out.
                self._known[sha256] = caller
        return caller
