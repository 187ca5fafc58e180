"""Conversations: PostgreSQL is the truth, Redis keeps the latest messages of those that are hot.

Redis holds one hash a conversation, `chat:memory:<id>`, with the version (how many messages there are) and the
latest messages as JSON. It is only ever replaced by a newer version, so two turns that end together cannot bury
one another's messages, and it may vanish at any time: everything in it is in PostgreSQL.
"""

from collections.abc import Awaitable, Sequence
from typing import cast

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.chat.domain import Message, Role
from services.chat.errors import ConversationNotFoundError
from services.chat.ports import Recollection
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

# More than any model's context needs of messages of ordinary length; bounds what a recall reads.
_MESSAGES_MAX = 200

_PUT_IF_NEWER = """
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
if tonumber(ARGV[1]) <= version then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'window', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

_OWNER = "SELECT user_id, message_count FROM conversations WHERE id = $1"

_LATEST = """
SELECT role, content, tokens, encoding FROM messages
WHERE conversation_id = $1 AND number > $2::int - $3::int ORDER BY number
"""

# Creates the conversation or takes its row lock; answers nothing when it is another user's.
_ADVANCE = """
INSERT INTO conversations AS c (id, user_id, message_count) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET message_count = c.message_count + excluded.message_count, updated_at = now()
WHERE c.user_id = excluded.user_id
RETURNING message_count
"""

_APPEND = """
INSERT INTO messages (conversation_id, number, role, content, tokens, encoding)
SELECT $1, $2 + position, role, content, tokens, encoding
FROM unnest($3::text[], $4::text[], $5::int[], $6::text[])
    WITH ORDINALITY AS new (role, content, tokens, encoding, position)
"""

log = structlog.get_logger()


class _Window(msgspec.Struct, array_like=True):
    """What Redis holds."""

    user_id: str
    messages: list[Message]


class StoredMemory:
    """The port `Memory` over PostgreSQL and Redis."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", redis: Redis, *, ttl_s: int) -> None:
        """Keep a conversation hot for `ttl_s` seconds after its last turn."""
        self._pool = pool
        self._redis = redis
        self._ttl_s = ttl_s
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Window).decode

    async def recall(self, user_id: str, conversation_id: str) -> Recollection:
        """The latest messages, from Redis or else from PostgreSQL."""
        owner: str | None
        hot = await self._hot(conversation_id)
        if hot is not None:
            version, window = hot
            owner, messages = window.user_id, tuple(window.messages)
        else:
            try:
                version, owner, messages = await self._stored(conversation_id)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                raise UnavailableError("The memory does not answer; try again shortly.", retry_after_s=1) from None
            if owner is None:
                return Recollection()
            await self._warm(conversation_id, version, owner, messages)
        if owner != user_id:
            raise ConversationNotFoundError("There is no such conversation.", fields={"conversation_id": "is unknown"})
        return Recollection(messages, version)

    async def remember(
        self, user_id: str, conversation_id: str, known: Recollection, messages: Sequence[Message]
    ) -> None:
        """Append in one transaction, then renew Redis' copy."""
        try:
            await self._append(user_id, conversation_id, known, messages)
        except FAILED:
            raise UnavailableError("The memory does not answer; try again shortly.", retry_after_s=1) from None

    async def _append(
        self, user_id: str, conversation_id: str, known: Recollection, messages: Sequence[Message]
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            count = await connection.fetchval(_ADVANCE, conversation_id, user_id, len(messages))
            if count is None:
                raise ConversationNotFoundError("There is no such conversation.")
            await connection.execute(
                _APPEND,
                conversation_id,
                count - len(messages),
                [message.role.value for message in messages],
                [message.content for message in messages],
                [message.tokens for message in messages],
                [message.encoding for message in messages],
            )
        if count == known.version + len(messages):
            window = (*known.messages, *messages)[-_MESSAGES_MAX:]
            await self._warm(conversation_id, count, user_id, window)
        else:
            # Another turn of this conversation ended meanwhile: what we recalled is not all there is.
            version, _, window = await self._stored(conversation_id)
            await self._warm(conversation_id, version, user_id, window)

    async def _stored(self, conversation_id: str) -> tuple[int, str | None, tuple[Message, ...]]:
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(_OWNER, conversation_id)
            if row is None:
                return 0, None, ()
            rows = await connection.fetch(_LATEST, conversation_id, row["message_count"], _MESSAGES_MAX)
        messages = tuple(Message(Role(r["role"]), r["content"], r["tokens"], r["encoding"]) for r in rows)
        return row["message_count"], row["user_id"], messages

    async def _hot(self, conversation_id: str) -> tuple[int, _Window] | None:
        """Redis' copy; a Redis that fails, or holds something else, only costs time."""
        try:
            # redis-py types its commands for both of its clients at once.
            reply = await cast(
                "Awaitable[list[bytes | None]]", self._redis.hmget(_key(conversation_id), ["version", "window"])
            )
        except (RedisError, OSError) as error:
            log.warning("redis does not answer", error=type(error).__name__)
            return None
        version, window = reply
        if version is None or window is None:
            return None
        try:
            return int(version), self._decode(window)
        except (msgspec.DecodeError, ValueError):
            log.warning("redis holds a window of another shape", conversation_id=conversation_id)
            return None

    async def _warm(self, conversation_id: str, version: int, user_id: str, messages: Sequence[Message]) -> None:
        window = self._encode(_Window(user_id, list(messages)))
        try:
            await cast(
                "Awaitable[int]",
                self._redis.eval(_PUT_IF_NEWER, 1, _key(conversation_id), str(version), window, str(self._ttl_s)),
            )
        except (RedisError, OSError) as error:
            log.warning("redis does not answer", error=type(error).__name__)


def _key(conversation_id: str) -> str:
    return f"chat:memory:{conversation_id}"
