"""What users think of answers, and which models they think it of."""

import asyncpg
from prometheus_client import CollectorRegistry, Counter

from services.chat.conversations import sql
from services.chat.conversations.domain import Rating, StoredMessage
from services.chat.conversations.rows import away, stored_message
from services.chat.errors import MessageNotFoundError
from services.runtime.postgres import FAILED


class Ratings:
    """Ratings, kept beside the messages in PostgreSQL."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", registry: CollectorRegistry) -> None:
        """Keep them in this database."""
        self._pool = pool
        self._given = Counter(
            "queqiao_ratings",
            "Answers by what their users came to think of them (up, down, none: a rating was taken back), and by the "
            "model that wrote them. A rating that is changed counts anew.",
            ["model", "rating"],
            registry=registry,
        )

    async def rate(self, user_id: str, conversation_id: str, number: int, rating: Rating | None) -> StoredMessage:
        """Say what is thought of an answer, None to take it back; the same again changes nothing.

        Raises:
            MessageNotFoundError: This user has no conversation with such an answer.
            UnavailableError: The database does not answer.
        """
        value = rating.value if rating else ""
        try:
            row = await self._pool.fetchrow(sql.RATE, user_id, conversation_id, number, value)
        except FAILED:
            raise away() from None
        if row is None:
            raise MessageNotFoundError("The conversation has no such answer.", fields={"number": "names no answer"})
        if row["before"] != value:
            self._given.labels(row["model"], value or "none").inc()
        return stored_message(row)
