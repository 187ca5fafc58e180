"""What turns recall and remember: PostgreSQL is the truth, Redis keeps the windows of conversations that are hot."""

from collections.abc import Sequence

import asyncpg

from services.chat.conversations import sql
from services.chat.conversations.hot import HotWindows, Window
from services.chat.conversations.places import Node, recollect
from services.chat.conversations.titles import title
from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import ConversationNotFoundError
from services.chat.ports import Recollection, Remembering
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED, Connection

# More than any model's context needs of messages of ordinary length; bounds what a recall reads and Redis keeps.
_MESSAGES_MAX = 200
_CHARACTERS_MAX = 256 * 1024


class StoredMemory:
    """The port `Memory` over PostgreSQL and Redis."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows) -> None:
        """Keep conversations in this database."""
        self._pool = pool
        self._hot = hot

    async def recall(self, user_id: str, conversation_id: str, place: Place) -> Recollection:
        """What is remembered there: from Redis where the conversation goes on, else from PostgreSQL."""
        if place.where is Where.NEWEST and (found := await self._hot.get(user_id, conversation_id)) is not None:
            version, window = found
            return Recollection(window.messages, summary=window.summary, parent=window.head, version=version)
        try:
            async with self._pool.acquire() as connection:
                return await self._stored(connection, user_id, conversation_id, place)
        except FAILED:
            raise _away() from None

    async def remember(self, user_id: str, conversation_id: str, new: Remembering) -> int:
        """Append, then renew Redis' copy; answers the number of the last message."""
        try:
            number, parent = await self._append(user_id, conversation_id, new)
            first = number - len(new.messages) + 1
            if parent == new.known.parent and first == new.known.version + 1:
                # Nothing happened in between: what leads here is what was recalled, weighed as it is by now.
                added = [_numbered(message, first + index) for index, message in enumerate(new.messages)]
                window = _bounded((*new.known.messages, *new.known.asked, *added))
                await self._hot.put(user_id, conversation_id, number, Window(number, window, new.known.summary))
            else:
                async with self._pool.acquire() as connection:
                    await self._stored(connection, user_id, conversation_id, Place())
        except FAILED:
            raise _away() from None
        return number

    async def _stored(self, connection: Connection, user_id: str, conversation_id: str, place: Place) -> Recollection:
        """What PostgreSQL has; the window of a conversation that goes on is kept in Redis."""
        row = await connection.fetchrow(sql.STATE, user_id, conversation_id)
        if row is None:
            if place.number:
                raise _no_conversation()
            return Recollection()
        if row["deleted_at"] is not None:
            raise _no_conversation()
        version, head = int(row["message_count"]), int(row["head"])
        end = head if place.where is Where.NEWEST else place.number
        path = (
            []
            if not end
            else _nodes(await connection.fetch(sql.PATH, user_id, conversation_id, end, _MESSAGES_MAX, _CHARACTERS_MAX))
        )
        summary = await self._summary(connection, user_id, conversation_id, end) if path else None
        known = recollect(path, place, version, summary)
        if place.where is Where.NEWEST:
            await self._hot.put(user_id, conversation_id, version, Window(head, known.messages, summary))
        return known

    async def _summary(self, connection: Connection, user_id: str, conversation_id: str, end: int) -> Message | None:
        if not await connection.fetchval(sql.HAS_SUMMARIES, user_id, conversation_id):
            return None
        branch = [row["number"] for row in await connection.fetch(sql.BRANCH, user_id, conversation_id, end)]
        row = await connection.fetchrow(sql.SUMMARY, user_id, conversation_id, branch)
        if row is None:
            return None
        return Message(Role.SYSTEM, row["content"], row["tokens"], row["encoding"], number=row["upto"])

    async def _append(self, user_id: str, conversation_id: str, new: Remembering) -> tuple[int, int]:
        """Append; answers the number of the last message, and which one the first follows."""
        written = (user_id, conversation_id, *_written(new))
        row = await self._pool.fetchrow(sql.APPEND, *written)
        if row is None:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.SHARE_USER, user_id)
                await connection.execute(sql.ENSURE, user_id, conversation_id)
                row = await connection.fetchrow(sql.APPEND, *written)
        if row is None:
            # It was deleted, or its user was erased.
            raise _no_conversation()
        return int(row["number"]), int(row["parent"])


def _written(new: Remembering) -> tuple[object, ...]:
    """What a turn brought, as the statement takes it."""
    messages = new.messages
    answer = len(messages) - 1
    asked = next((message.content for message in messages if message.role is Role.USER), "")
    return (
        len(messages),
        None if new.place.where is Where.NEWEST else new.known.parent,
        title(asked),
        new.request_id,
        [message.role.value for message in messages],
        [message.content for message in messages],
        [message.json for message in messages],
        [new.state.value if index == answer else "" for index in range(len(messages))],
        [new.model if index == answer else "" for index in range(len(messages))],
        [message.tokens for message in messages],
        [message.encoding for message in messages],
    )


def _nodes(rows: Sequence[asyncpg.Record]) -> list[Node]:
    return [
        Node(
            Message(Role(row["role"]), row["content"], row["tokens"], row["encoding"], row["json"], row["number"]),
            AnswerState(row["state"]) if row["state"] else None,
        )
        for row in rows
    ]


def _numbered(message: Message, number: int) -> Message:
    return Message(message.role, message.content, message.tokens, message.encoding, message.json, number)


def _bounded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The latest ones, as many and as much as PostgreSQL would give."""
    characters, start = 0, len(messages)
    while start and characters < _CHARACTERS_MAX and len(messages) - start < _MESSAGES_MAX:
        start -= 1
        characters += len(messages[start].content) + len(messages[start].json)
    return tuple(messages[start:])


def _no_conversation() -> ConversationNotFoundError:
    return ConversationNotFoundError("There is no such conversation.", fields={"conversation_id": "is unknown"})


def _away() -> UnavailableError:
    return UnavailableError("The memory does not answer; try again shortly.", retry_after_s=1)
