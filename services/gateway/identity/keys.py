"""API keys in PostgreSQL. Of a key only its digest is kept."""

from collections.abc import Iterable
from typing import Any

import asyncpg

from services.gateway.errors import KeyNotFoundError, TooManyKeysError
from services.gateway.identity.accounts import answering
from services.gateway.identity.domain import KEY_SCOPES, ApiKey, Caller, Scope

_KEYS_PER_USER_MAX = 20

_COLUMNS = """
id, label, prefix, scopes, extract(epoch FROM created_at)::bigint AS created_s,
extract(epoch FROM expires_at)::bigint AS expires_s, extract(epoch FROM last_used_at)::bigint AS last_used_s
"""
_LIVE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"

# The user's row is locked, so that two requests at once cannot both add the last key.
_LOCK_USER = "SELECT FROM users WHERE id = $1 FOR UPDATE"
_COUNT = f"SELECT count(*) FROM api_keys WHERE user_id = $1 AND {_LIVE}"  # noqa: S608  # of constants
_ADD = f"""
INSERT INTO api_keys (sha256, user_id, label, prefix, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(days => $6))
RETURNING {_COLUMNS}
"""  # noqa: S608  # as above
_LIST = f"SELECT {_COLUMNS} FROM api_keys WHERE user_id = $1 AND {_LIVE} ORDER BY created_at DESC, id"  # noqa: S608  # as above
_REVOKE = f"UPDATE api_keys SET revoked_at = now() WHERE user_id = $1 AND id = $2 AND {_LIVE} RETURNING id"  # noqa: S608  # as above

_OWNER = f"""
WITH found AS (SELECT user_id, scopes, last_used_at FROM api_keys WHERE sha256 = $1 AND {_LIVE}),
used AS (
    UPDATE api_keys SET last_used_at = now() FROM found
    WHERE sha256 = $1 AND coalesce(found.last_used_at < now() - interval '1 minute', true)
)
SELECT user_id, scopes FROM found
"""  # noqa: S608  # as above


class ApiKeys:
    """The store of API keys. Every method raises UnavailableError when PostgreSQL does not answer."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def caller(self, sha256: bytes) -> Caller | None:
        """Who the live key with this digest belongs to, and what it is for; it has been used now."""
        with answering():
            row = await self._pool.fetchrow(_OWNER, sha256)
        return None if row is None else Caller(row["user_id"], _scopes(row["scopes"]), by_key=True)

    async def add(
        self, user_id: str, *, sha256: bytes, prefix: str, name: str, scopes: Iterable[Scope], days: int | None
    ) -> ApiKey:
        """Remember a new key, which is valid for so many days, None for ever.

        Raises:
            TooManyKeysError: The user has as many as a user may.
        """
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_LOCK_USER, user_id)
                if await connection.fetchval(_COUNT, user_id) < _KEYS_PER_USER_MAX:
                    row = await connection.fetchrow(
                        _ADD, sha256, user_id, name, prefix, sorted(scope.value for scope in scopes), days
                    )
                    return _key(row)
        raise TooManyKeysError(
            "The user has too many API keys; delete one first.", metadata={"limit": str(_KEYS_PER_USER_MAX)}
        )

    async def list(self, user_id: str) -> list[ApiKey]:
        """The user's live keys, the newest first."""
        with answering():
            return [_key(row) for row in await self._pool.fetch(_LIST, user_id)]

    async def revoke(self, user_id: str, key_id: str) -> None:
        """Revoke a key; replicas that have just seen it notice within seconds.

        Raises:
            KeyNotFoundError: The user has no such live key.
        """
        with answering():
            revoked = await self._pool.fetchval(_REVOKE, user_id, key_id)
        if revoked is None:
            raise KeyNotFoundError("The user has no such API key.")


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["label"],
        prefix=row["prefix"],
        scopes=_scopes(row["scopes"]),
        created_s=row["created_s"],
        expires_s=row["expires_s"] or 0,
        last_used_s=row["last_used_s"] or 0,
    )


def _scopes(stored: Iterable[str] | None) -> frozenset[Scope]:
    # A scope that a newer gateway knows is none of ours to grant.
    return KEY_SCOPES if stored is None else frozenset(scope for scope in Scope if scope.value in stored)
