"""Everything that conversations keep of a user, removed for good, and kept from coming back."""

import asyncpg

from services.chat.conversations import sql
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.rows import away
from services.runtime.postgres import FAILED


class ConversationErasure:
    """Erases a user's conversations, messages, summaries, ratings and hot windows."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows) -> None:
        """Erase them in this database and these windows."""
        self._pool = pool
        self._hot = hot

    async def erase(self, user_id: str) -> None:
        """Erase it all, in one transaction; from now on no turn of theirs remembers anything.

        Raises:
            UnavailableError: PostgreSQL or Redis does not answer; then all of it is still there.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                # Whoever is making a conversation of theirs now does so before this, or not at all.
                await connection.execute(sql.LOCK_USER, user_id)
                await connection.execute(sql.MARK_ERASED, user_id)
                rows = await connection.fetch(sql.ALL_IDS, user_id)
                # While a copy could be read again the rows stay.
                await self._hot.bury(user_id, *(row["id"] for row in rows))
                for statement in sql.ERASE:
                    await connection.execute(statement, user_id)
        except FAILED:
            raise away() from None
