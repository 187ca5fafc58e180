"""An answer as it comes in, before anything is done with it. Pure."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable

from services.chat.domain import Chunk


class AnswerStream(ABC, AsyncIterator[Chunk]):
    """What a model writes, as far as it has arrived.

    Whoever looks after many answers takes what has arrived without waiting (`take`), and nothing wakes up for it in
    between. Whoever reads one alone iterates: each step gives everything that has arrived since the last one.
    """

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether everything was taken, and nothing will follow."""

    @abstractmethod
    def take(self) -> Chunk | None:
        """Everything that has arrived since it was last taken, as one chunk; None when nothing has.

        Raises:
            ServiceError: The answer broke off; what had come before was given first.
        """

    @abstractmethod
    async def arrived(self) -> None:
        """Wait until there is something to take, or the end.

        Raises:
            ServiceError: The answer broke off before.
        """

    def when_whole(self, tell: Callable[[], None]) -> None:  # who cannot know it tells nothing
        """Call this once all of it has arrived, taken or not; at once when it has."""

    async def __anext__(self) -> Chunk:
        """What has arrived, once something has."""
        while (chunk := self.take()) is None:
            if self.ended:
                raise StopAsyncIteration
            await self.arrived()
        return chunk
