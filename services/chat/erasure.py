"""A user's data, erased: what this service keeps of them, in PostgreSQL and in Redis."""

from services.chat.conversations.erasure import ConversationErasure
from services.chat.streams.desk import TurnDesk


class Erasure:
    """Erases users. Doing so again changes nothing."""

    def __init__(self, conversations: ConversationErasure, desk: TurnDesk) -> None:
        """Erase their conversations, and the logs of their turns."""
        self._conversations = conversations
        self._desk = desk

    async def erase(self, user_id: str) -> None:
        """Erase what is kept of a user. Turns that run are stopped first, and charged for what they produced.

        Raises:
            UnavailableError: A store does not answer; asked again, it goes on.
        """
        await self._desk.erase(user_id)
        await self._conversations.erase(user_id)
