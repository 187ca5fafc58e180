"""Whose request this is: a bearer token is an API key or a session's access token."""

import time
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from services.gateway.errors import InvalidApiKeyError
from services.gateway.identity.ids import digest, is_api_key

# A revoked key works for at most this long in a replica that has just seen it.
_KEY_TTL_S = 5.0
_KEYS_MAX = 10_000


class KeyOwners(Protocol):
    """Where API keys are kept."""

    async def owner_of_key(self, sha256: bytes) -> str | None:
        """The id of the user whose live key this is."""
        ...


class SessionUsers(Protocol):
    """Knows access tokens."""

    def user_of(self, access_token: str) -> str | None:
        """Whose access token this is."""
        ...


class Authenticator:
    """Tells users by their bearer tokens."""

    def __init__(self, keys: KeyOwners, sessions: SessionUsers, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask these; `clock` in seconds."""
        self._keys = keys
        self._sessions = sessions
        self._known: TTLCache[bytes, str] = TTLCache(_KEYS_MAX, ttl=_KEY_TTL_S, timer=clock)

    async def user_of(self, authorization: str | None) -> str:
        """The user's id.

        Raises:
            InvalidApiKeyError: Whatever is wrong with the header; it never says what.
            UnavailableError: The store of keys does not answer.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise InvalidApiKeyError
        user_id = await self._owner(digest(token)) if is_api_key(token) else self._sessions.user_of(token)
        if user_id is None:
            raise InvalidApiKeyError
        return user_id

    async def _owner(self, sha256: bytes) -> str | None:
        user_id = self._known.get(sha256)
        if user_id is None:
            user_id = await self._keys.owner_of_key(sha256)
            if user_id is not None:
                # Only keys that exist are remembered: made-up ones cannot push them out.
                self._known[sha256] = user_id
        return user_id
