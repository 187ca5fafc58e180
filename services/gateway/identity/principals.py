"""Who asks: a user's id, and WeChat's openid of whoever came from WeChat, which WeChat's layer of moderation needs.

An openid that cannot be read fails the request. To go on without it would say that the user did not come from WeChat,
and so switch that layer off for them, whatever the owner's policy for a layer that is down.
"""

import time
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from services.gateway.identity.domain import Principal

# A user's openid never changes, minors' mode does: other replicas than the one that changed it notice in this time.
_TTL_S = 60.0
_USERS_MAX = 50_000


class Users(Protocol):
    """Where users are kept; `accounts.Accounts` says what the method does."""

    async def principal(self, user_id: str) -> Principal:
        """Who this user is; one without an openid when there is no such user."""
        ...


class Principals:
    """Knows who asks, and reads it once in minutes."""

    def __init__(self, store: Users, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read there; `clock` in seconds."""
        self._store = store
        self._known: TTLCache[str, Principal] = TTLCache(_USERS_MAX, ttl=_TTL_S, timer=clock)

    async def principal(self, user_id: str) -> Principal:
        """Who this user is.

        Raises:
            UnavailableError: They were not here in the last minutes, and the store does not answer.
        """
        principal = self._known.get(user_id)
        if principal is None:
            principal = self._known[user_id] = await self._store.principal(user_id)
        return principal

    def forget(self, user_id: str) -> None:
        """Ask anew the next time: something about this user has changed."""
        self._known.pop(user_id, None)
