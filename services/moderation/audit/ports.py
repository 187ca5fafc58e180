"""What the audit needs from the outside."""

from collections.abc import Sequence
from typing import Protocol

from services.moderation.audit.records import Note


class StoreAwayError(Exception):
    """The database does not answer; whether it wrote is unknown, and the same can be written again."""


class BadRecordError(Exception):
    """The database will never take one of these records."""


class NoteStore(Protocol):
    """Where notes are written."""

    async def new_ids(self, count: int) -> list[int]:
        """Ids that nobody else gets.

        Raises:
            StoreAwayError: Try again later.
        """
        ...

    async def add(self, ids: Sequence[int], notes: Sequence[Note]) -> None:
        """Write all of these, each under its id, or none; what is there already under its id stays as it is.

        Raises:
            StoreAwayError: Try again later.
            BadRecordError: Never try all of these again.
        """
        ...


class Allowing(Protocol):
    """Makes phrases innocent."""

    async def allow(self, phrase: str, author: str, reason: str) -> int:
        """Store the phrase as an entry of tier ALLOW; a phrase that is one already changes nothing.

        Answers the version of the stored lists that this made, or the present one.

        Raises:
            InvalidListError: It can be no entry.
            UnavailableError: The database does not answer.
        """
        ...
