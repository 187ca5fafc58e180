"""A user's data, erased: what this service keeps of them, in PostgreSQL and in Redis."""

from services.chat.conversations.erasure import ConversationErasure
from services.chat.streams.registry import TurnRegistry


class Erasure:
    """Erases users. Doing so again changes nothing."""

    def __init__(self, conversations: ConversationErasure, registry: TurnRegistry) -> None:
        """Erase their conversations, and the logs of their turns."""
        self._conversations = conversations
        self._registry = registry

    async def erase(self, user_id: str) -> None:
        """Erase what is kept of a user. Turns that run are stopped first, and charged for what they produced.

        Raises:
            UnavailableError: A store does not answer; asked again, it goes on.
        """
        await self._registry.erase(user_id)
        await self._conversations.erase(user_id)
