"""What judging needs from the outside."""

from collections.abc import Sequence
from typing import Protocol

from services.moderation.domain import Finding, Opinion, Subject
from services.moderation.lexicon.lexicon import Lexicon


class Lexicons(Protocol):
    """Which lexicon is in force."""

    @property
    def current(self) -> Lexicon:
        """The lexicon of this moment: whoever judges takes it once and keeps it for the whole text."""
        ...


class RemoteLayer(Protocol):
    """A remote service that judges texts."""

    async def judge(self, subject: Subject) -> Opinion | None:
        """Its opinion; None when it cannot have one about this user, so that the next layer must be asked.

        Raises:
            LayerDownError: It does not answer, in time or at all, or has no quota left.
        """
        ...


class Audit(Protocol):
    """Remembers what was found."""

    def note(self, findings: Sequence[Finding]) -> None:
        """Write these down, soon; never waits and never fails: what cannot be written is counted."""
        ...
