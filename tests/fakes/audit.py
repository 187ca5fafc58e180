"""What the audit meets in tests."""

from collections.abc import Sequence

from services.moderation.audit.ports import NoteStore, StoreAwayError
from services.moderation.audit.records import Note


class MemoryAllowing:
    """Phrases that are allowed; each that is new makes a version."""

    def __init__(self) -> None:
        """Begin with none; `granted` is what was allowed, by whom and why."""
        self.granted: list[tuple[str, str, str]] = []

    async def allow(self, phrase: str, author: str, reason: str) -> int:
        """Allow it; one that is allowed already changes nothing."""
        if phrase not in (known for known, _, _ in self.granted):
            self.granted.append((phrase, author, reason))
        return len(self.granted)


class ForgetfulStore:
    """A store that writes, and whose answer is lost the first few times."""

    def __init__(self, store: NoteStore, losses: int) -> None:
        """Lose this many answers."""
        self._store = store
        self.losses = losses

    async def new_ids(self, count: int) -> list[int]:
        """As the store."""
        return await self._store.new_ids(count)

    async def add(self, ids: Sequence[int], notes: Sequence[Note]) -> None:
        """As the store, and then fail."""
        await self._store.add(ids, notes)
        if self.losses:
            self.losses -= 1
            raise StoreAwayError("the answer was lost")
