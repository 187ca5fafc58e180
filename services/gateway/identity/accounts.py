"""Users and refresh tokens in PostgreSQL, and the keys that operators issue.

What it is given and keeps of a secret is its digest, or, of the one that must be read again, its ciphertext.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from services.gateway.errors import InvalidRefreshTokenError
from services.gateway.identity.domain import Arrival, Principal
from services.gateway.identity.ids import new_user_id
from services.gateway.identity.marks import OpenidMarks
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

SCHEMA = "gateway"
MIGRATIONS = Path(__file__).parents[1] / "migrations"

# Both create the user or find them, also when several logins of one new user come at once.
_LOGIN = """
INSERT INTO users (id, wechat_openid) VALUES ($1, $2)
ON CONFLICT (wechat_openid) DO UPDATE SET last_login_at = now()
RETURNING id, EXISTS (SELECT FROM erased_users WHERE openid_mark = ANY($3)) AS comes_back
"""
_NAME = """
INSERT INTO users (id, name) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET last_login_at = now() RETURNING id
"""

_KEEP_SESSION_KEY = "UPDATE users SET wechat_session_key = $2 WHERE id = $1"
_SESSION = "SELECT wechat_openid, wechat_session_key FROM users WHERE id = $1"

_PRINCIPAL = "SELECT wechat_openid, minor_mode FROM users WHERE id = $1"
_SET_MINOR = "UPDATE users SET minor_mode = $2 WHERE id = $1"

_ADD_KEY = "INSERT INTO api_keys (sha256, user_id, label, prefix) VALUES ($1, $2, $3, $4)"
_REVOKE_KEYS = """
UPDATE api_keys SET revoked_at = now() FROM users
WHERE users.id = user_id AND users.name = $1 AND label = $2 AND revoked_at IS NULL
RETURNING prefix
"""

_ADD_REFRESH = """
INSERT INTO refresh_tokens (sha256, family, user_id, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))
"""
_LOCK_REFRESH = """
SELECT family, user_id, used_at IS NOT NULL AS used, revoked_at IS NOT NULL OR expires_at <= now() AS dead
FROM refresh_tokens WHERE sha256 = $1 FOR UPDATE
"""
_USE_REFRESH = "UPDATE refresh_tokens SET used_at = now() WHERE sha256 = $1"
_REVOKE_FAMILY = "UPDATE refresh_tokens SET revoked_at = now() WHERE family = $1 AND revoked_at IS NULL"
_REVOKE_FAMILY_OF = """
UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL
AND family = (SELECT family FROM refresh_tokens WHERE sha256 = $1)
"""
# A user who was erased has no row; the key of a login that was under way names none.
_LOCK_USER = "SELECT wechat_openid FROM users WHERE id = $1 FOR UPDATE"
_ERASED = "INSERT INTO erased_users (id, openid_mark) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
_ERASE = (
    "DELETE FROM refresh_tokens WHERE user_id = $1",
    "DELETE FROM api_keys WHERE user_id = $1",
    "DELETE FROM users WHERE id = $1",
)
# As long as an access token lives, and a little more.
_LATELY = "SELECT id FROM erased_users WHERE erased_at > now() - interval '3 hours'"
# Whoever waits longest, whatever became of it the last time; each replica others.
_BY_HALF = """
UPDATE erased_users SET tried_at = now() WHERE id IN (
  SELECT id FROM erased_users WHERE finished_at IS NULL AND erased_at < now() - make_interval(secs => $1)
  ORDER BY tried_at NULLS FIRST, erased_at LIMIT 20 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
_FINISHED = "UPDATE erased_users SET finished_at = now() WHERE id = $1"
_FORGET_MARKS = """
UPDATE erased_users SET openid_mark = NULL
WHERE openid_mark IS NOT NULL AND erased_at <= now() - make_interval(days => $1)
"""

_FORGET_EXPIRED = "DELETE FROM refresh_tokens WHERE user_id = $1 AND expires_at <= now()"


class Accounts:
    """The store of who may use the gateway.

    Every method raises UnavailableError when PostgreSQL does not answer.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", marks: OpenidMarks | None = None) -> None:
        """Use this pool; `marks` know who was erased and comes back, without them nobody does."""
        self._pool = pool
        self._marks = marks

    async def user_of_openid(self, openid: str) -> Arrival:
        """WeChat's user, who is created at their first login."""
        with answering():
            row = await self._pool.fetchrow(_LOGIN, new_user_id(), openid, self._marks_of(openid))
        assert row is not None, "it returns the row that it writes"  # noqa: S101  # a programmer's mistake
        return Arrival(row["id"], comes_back=row["comes_back"])

    async def keep_session_key(self, user_id: str, sealed: bytes | None) -> None:
        """Remember the encrypted session key of the user's last login; None forgets the one before."""
        with answering():
            await self._pool.execute(_KEEP_SESSION_KEY, user_id, sealed)

    async def wechat_session(self, user_id: str) -> tuple[str, bytes | None]:
        """The user's openid, "" for a developer, and the encrypted session key of their last login."""
        with answering():
            row = await self._pool.fetchrow(_SESSION, user_id)
        return ("", None) if row is None else (row["wechat_openid"] or "", row["wechat_session_key"])

    async def principal(self, user_id: str) -> Principal:
        """Who this user is; one without an openid when there is no such user."""
        with answering():
            row = await self._pool.fetchrow(_PRINCIPAL, user_id)
        return Principal(user_id) if row is None else Principal(user_id, row["wechat_openid"] or "", row["minor_mode"])

    async def set_minor_mode(self, user_id: str, minor: bool) -> None:
        """Switch minors' mode on or off."""
        with answering():
            await self._pool.execute(_SET_MINOR, user_id, minor)

    async def user_named(self, name: str) -> str:
        """The id of the developer of this name, who is created when there is none."""
        with answering():
            return str(await self._pool.fetchval(_NAME, new_user_id(), name))

    async def add_key(self, user_id: str, *, label: str, sha256: bytes, prefix: str) -> None:
        """Remember a new API key."""
        with answering():
            await self._pool.execute(_ADD_KEY, sha256, user_id, label, prefix)

    async def revoke_keys(self, *, user_name: str, label: str) -> list[str]:
        """Revoke a developer's keys of this label; answers the prefixes of those that were live."""
        with answering():
            return [row["prefix"] for row in await self._pool.fetch(_REVOKE_KEYS, user_name, label)]

    async def add_refresh_token(self, user_id: str, sha256: bytes, *, ttl_s: float) -> None:
        """Begin a family: a login. The user's expired tokens are forgotten on the way."""
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_FORGET_EXPIRED, user_id)
                await connection.execute(_ADD_REFRESH, sha256, uuid.uuid4(), user_id, ttl_s)

    async def rotate_refresh_token(self, old_sha256: bytes, new_sha256: bytes, *, ttl_s: float) -> str:
        """Use up a token and put the next in its place; answers the user's id.

        Raises:
            InvalidRefreshTokenError: It is unknown, expired or revoked; or it was used before, and then its whole
                family is revoked.
        """
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                token = await connection.fetchrow(_LOCK_REFRESH, old_sha256)
                if token is not None and not token["dead"] and not token["used"]:
                    await connection.execute(_USE_REFRESH, old_sha256)
                    await connection.execute(_ADD_REFRESH, new_sha256, token["family"], token["user_id"], ttl_s)
                    return str(token["user_id"])
                if token is not None and token["used"]:
                    await connection.execute(_REVOKE_FAMILY, token["family"])
        # Raised out here, so that a revocation is committed.
        raise InvalidRefreshTokenError

    async def revoke_refresh_token(self, sha256: bytes) -> None:
        """End the session that this token belongs to; an unknown one ends nothing."""
        with answering():
            await self._pool.execute(_REVOKE_FAMILY_OF, sha256)

    async def erase_user(self, user_id: str) -> None:
        """Delete the user with every key and session; a second time changes nothing."""
        with answering():
            async with self._pool.acquire() as connection, connection.transaction():
                marks = self._marks_of(await connection.fetchval(_LOCK_USER, user_id))
                await connection.execute(_ERASED, user_id, marks[0] if marks else None)
                for statement in _ERASE:
                    await connection.execute(statement, user_id)

    async def erased_lately(self) -> list[str]:
        """The ids of users who were erased since the oldest access token was signed that is still valid."""
        with answering():
            return [row["id"] for row in await self._pool.fetch(_LATELY)]

    async def erased_by_half(self, *, after_s: float = 15) -> list[str]:
        """Some users of whom other services may still keep something, `after_s` after they were erased here.

        Each call answers those who were not answered for the longest time.
        """
        with answering():
            return [row["id"] for row in await self._pool.fetch(_BY_HALF, after_s)]

    async def finish_erasure(self, user_id: str) -> None:
        """Other services have erased this user as well."""
        with answering():
            await self._pool.execute(_FINISHED, user_id)

    async def forget_marks(self, *, after_days: int) -> None:
        """Forget how users would be known again who were erased so many days ago."""
        with answering():
            await self._pool.execute(_FORGET_MARKS, after_days)

    async def check(self) -> None:
        """Ask the database whether it answers."""
        with answering():
            await self._pool.fetchval("SELECT 1")

    def _marks_of(self, openid: str | None) -> list[bytes]:
        return self._marks.of(openid) if self._marks and openid else []


@contextmanager
def answering() -> Iterator[None]:
    """Turn what goes wrong inside, while PostgreSQL is asked, into UnavailableError."""
    try:
        yield
    except FAILED:
        raise UnavailableError(
            "The accounts do not answer; try again shortly.", metadata={"service": "accounts"}, retry_after_s=1
        ) from None
