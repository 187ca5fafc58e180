"""Redis' copies of conversations that are hot: the latest messages of each, within a weight of tokens for all.

    {chat:hot}:c:<user>/<conversation>   the copy: `version` (how many messages there are) and `window`
    {chat:hot}:used, :weights, :tokens   when each was last used, what each weighs, and the sum

One hash tag keeps them in one slot of a cluster, for one script looks after them all. They may vanish at any time:
everything in them is in PostgreSQL. A copy that could not be renewed is older than it should be until the next turn
ends; that turn then lacks the latest exchange, and still follows it.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.chat.domain import Message
from services.runtime.errors import UnavailableError

_PREFIX = "{chat:hot}:c:"
_BURIED_AT_ONCE = 100

# The version of a conversation that was deleted: newer than any.
_DELETED = 2**31 - 1

# When each was used, what each weighs, and the sum.
_SHARED = ("{chat:hot}:used", "{chat:hot}:weights", "{chat:hot}:tokens")

log = structlog.get_logger()


class Window(msgspec.Struct, array_like=True, frozen=True):
    """What is kept of a conversation: the last message of its current branch, and those that lead there."""

    head: int
    messages: tuple[Message, ...]
    summary: Message | None = None


class HotWindows:
    """Windows in Redis; whatever is wrong with it only costs time."""

    def __init__(self, redis: Redis, *, ttl_s: int, tokens_max: int) -> None:
        """Keep a window for `ttl_s` after its last turn, and all of them within `tokens_max`."""
        self._redis = redis
        self._ttl_s = ttl_s
        self._tokens_max = tokens_max
        self._script = Path(__file__).with_name("hot.lua").read_text(encoding="utf-8")
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Window).decode

    async def get(self, user_id: str, conversation_id: str) -> tuple[int, Window] | None:
        """The version and the window; None when there is none to be had."""
        try:
            # redis-py types its commands for both of its clients at once.
            reply = await cast(
                "Any", self._redis.hmget(_PREFIX + _name(user_id, conversation_id), ["version", "window"])
            )
        except (RedisError, OSError) as error:
            log.warning("redis does not answer", error=type(error).__name__)
            return None
        version, window = reply
        if version is None or window is None:
            return None
        try:
            return None if int(version) == _DELETED else (int(version), self._decode(window))
        except (msgspec.DecodeError, ValueError):
            log.warning("redis holds a window of another shape", conversation_id=conversation_id)
            return None

    async def put(self, user_id: str, conversation_id: str, version: int, window: Window) -> None:
        """Keep a window, unless a newer one is there."""
        weight = sum(message.tokens for message in window.messages)
        await self._run([_name(user_id, conversation_id)], version, self._encode(window), weight)

    async def drop(self, user_id: str, conversation_id: str) -> None:
        """Keep it no longer."""
        await self._run([_name(user_id, conversation_id)], 0, b"", 0)

    async def bury(self, user_id: str, *conversation_ids: str) -> None:
        """Let no copy of these be kept any more, whichever turn still runs.

        Raises:
            UnavailableError: Redis does not answer: what it has could be read again.
        """
        names = [_name(user_id, conversation_id) for conversation_id in conversation_ids]
        for start in range(0, len(names), _BURIED_AT_ONCE):
            if not await self._run(names[start : start + _BURIED_AT_ONCE], _DELETED, b"deleted", 0):
                raise UnavailableError("The memory does not answer; try again shortly.", retry_after_s=1)

    async def _run(self, names: Sequence[str], version: int, window: bytes, weight: int) -> bool:
        # A message without a token still takes room.
        common = (version, window, self._ttl_s, weight + 1, self._tokens_max, _PREFIX)
        try:
            # They travel together; redis-py types its commands for both of its clients at once.
            await asyncio.gather(
                *(
                    cast("Any", self._redis.eval(self._script, 4, _PREFIX + name, *_SHARED, name, *common))
                    for name in names
                )
            )
        except (RedisError, OSError) as error:
            log.warning("redis does not answer", error=type(error).__name__)
            return False
        return True


def _name(user_id: str, conversation_id: str) -> str:
    """A conversation's name among all users'; neither part of it has a slash."""
    return f"{user_id}/{conversation_id}"
