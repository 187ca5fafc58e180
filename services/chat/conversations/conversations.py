"""Conversations as their users see them: made, listed, found, read, renamed, pinned and deleted."""

import asyncio
import secrets
from datetime import datetime

import asyncpg
import structlog

from services.chat.conversations import sql
from services.chat.conversations.domain import Conversation, Cursor, Page, StoredMessage
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.rows import away, conversation, stored_message
from services.chat.conversations.searching import BEFORE, QUOTED, Found, Quote, pattern, snippet
from services.chat.domain import Role
from services.chat.errors import ConversationNotFoundError, RequestConflictError
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

# Deleted conversations are purged this often, so many at a time.
_PURGE_EVERY_S = 3600.0
_PURGE_BATCH = 50

# A page of messages ends early when it grows past this: with images in them, a few are large.
_PAGE_BYTES_MAX = 2 * 1024 * 1024

log = structlog.get_logger()

# So many searches run at once, each on a connection of its own.
_SEARCHES_MAX = 4


class Conversations:
    """Conversations in PostgreSQL. Whatever is another user's, or was deleted, does not exist."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        hot: HotWindows,
        *,
        searched_max: int = 10_000,
        search_s_max: float = 3.0,
    ) -> None:
        """Use this database; windows of what is deleted leave Redis.

        A search reads the texts of about `searched_max` messages, for no longer than `search_s_max`.
        """
        self._pool = pool
        self._hot = hot
        self._searched_max = searched_max
        self._search_s_max = search_s_max
        # Turns use the same connections, and do not wait for searches.
        self._searching = asyncio.Semaphore(_SEARCHES_MAX)

    async def create(self, user_id: str, conversation_id: str, title: str) -> Conversation:
        """Make an empty one; "" as its id makes one up.

        Raises:
            RequestConflictError: The user has one of this id, or had one that was deleted.
            UnavailableError: The database does not answer.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.SHARE_USER, user_id)
                row = await connection.fetchrow(sql.CREATE, user_id, conversation_id or secrets.token_hex(16), title)
        except FAILED:
            raise away() from None
        if row is None:
            raise RequestConflictError(
                "This conversation_id is taken: use another one.", fields={"conversation_id": "is taken"}
            )
        return conversation(row)

    async def page(self, user_id: str, after: Cursor | None, limit: int) -> Page[Conversation]:
        """A user's conversations, pinned ones first and then the one used last.

        Raises:
            UnavailableError: The database does not answer.
        """
        rows = await self._rows(sql.LIST, user_id, *_place(after), limit + 1)
        return Page(tuple(conversation(row) for row in rows[:limit]), len(rows) > limit)

    async def search(self, user_id: str, query: str, after: Cursor | None, limit: int) -> Page[Found]:
        """Those of the list that have these words in their title or in what was said.

        Raises:
            UnavailableError: The database does not answer, or not in time.
        """
        arguments = (limit + 1, pattern(query), query, self._searched_max, BEFORE, QUOTED)
        try:
            async with asyncio.timeout(self._search_s_max), self._searching:
                rows = await self._rows(sql.SEARCH, user_id, *_place(after), *arguments)
        except TimeoutError:
            raise away() from None
        return Page(tuple(_found_one(row) for row in rows[:limit]), len(rows) > limit)

    async def get(self, user_id: str, conversation_id: str) -> Conversation:
        """One of them.

        Raises:
            ConversationNotFoundError: This user has none of that id.
            UnavailableError: The database does not answer.
        """
        return _found(await self._row(sql.GET, user_id, conversation_id))

    async def change(
        self, user_id: str, conversation_id: str, *, title: str | None, pinned: bool | None
    ) -> Conversation:
        """Give it another title, pin it or take the pin out; None leaves things as they are.

        Raises:
            ConversationNotFoundError, UnavailableError: As `get`.
        """
        return _found(await self._row(sql.CHANGE, user_id, conversation_id, title, pinned))

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """From now on it does not exist; its messages are purged later.

        Raises:
            ConversationNotFoundError, UnavailableError: As `get`.
        """
        await self.get(user_id, conversation_id)
        # First, so that a Redis that is away cannot bring it back later: who is told so tries again.
        await self._hot.bury(user_id, conversation_id)
        if await self._row(sql.DELETE, user_id, conversation_id) is None:
            raise _unknown()

    async def messages(self, user_id: str, conversation_id: str, after: int, limit: int) -> Page[StoredMessage]:
        """Its messages by number, those of all branches.

        Raises:
            ConversationNotFoundError, UnavailableError: As `get`.
        """
        await self.get(user_id, conversation_id)
        rows = await self._rows(sql.MESSAGES, user_id, conversation_id, after, limit + 1, _PAGE_BYTES_MAX)
        return Page(
            tuple(stored_message(row) for row in rows[:limit]), bool(rows) and rows[0]["found"] > len(rows[:limit])
        )

    async def keep_purging(self, days: int) -> None:
        """Purge what was deleted so many days ago, again and again; run it as a task and cancel it."""
        while True:
            try:
                while await self.purge(days):
                    pass
            except UnavailableError:
                log.warning("deleted conversations not purged: the database does not answer")
            await asyncio.sleep(_PURGE_EVERY_S)

    async def purge(self, days: int) -> int:
        """Remove the messages of some conversations that were deleted long ago; answers of how many."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(sql.PURGEABLE, days, _PURGE_BATCH)
                users, ids = [row["user_id"] for row in rows], [row["id"] for row in rows]
                for statement in sql.PURGE if rows else ():
                    await connection.execute(statement, users, ids)
        except FAILED:
            raise away() from None
        return len(rows)

    async def _row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        try:
            return await self._pool.fetchrow(statement, *arguments)
        except FAILED:
            raise away() from None

    async def _rows(self, statement: str, *arguments: object) -> "list[asyncpg.Record]":
        try:
            return await self._pool.fetch(statement, *arguments)
        except FAILED:
            raise away() from None


def _found(row: asyncpg.Record | None) -> Conversation:
    if row is None:
        raise _unknown()
    return conversation(row)


def _found_one(row: asyncpg.Record) -> Found:
    if row["number"] is None:
        return Found(conversation(row), None)
    words = snippet(row["words"], begins=row["begins"], ends=row["ends"])
    return Found(conversation(row), Quote(row["number"], words, row["role"] == Role.ASSISTANT, row["has_code"]))


def _place(after: Cursor | None) -> tuple[bool, datetime | None, str]:
    """Where a page begins, as the statements of lists take it."""
    return (False, None, "") if after is None else (after.pinned, after.updated_at, after.id)


def _unknown() -> ConversationNotFoundError:
    return ConversationNotFoundError("There is no such conversation.", fields={"conversation_id": "is unknown"})
