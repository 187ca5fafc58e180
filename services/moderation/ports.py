"""What judging needs from the outside."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from services.moderation.domain import Direction, Finding, Layer, Opinion, OutputPlan, Review, Subject
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


class Panel(Protocol):
    """The remote layers together, and the policy by which they are asked."""

    @property
    def version(self) -> str:
        """Names the policy."""
        ...

    @property
    def judges_input(self) -> bool:
        """Whether a layer is on that every referred question is sent to."""
        ...

    def plan_input(self, request_id: str, openid: str, *, referred: bool) -> Review:
        """Whether and when the remote layers are to be asked about a question."""
        ...

    def plan_output(self, request_id: str, openid: str) -> OutputPlan:
        """How they are to be asked about its answer."""
        ...

    async def review(self, subject: Subject, *, referred: bool) -> tuple[Layer, Opinion] | None:
        """The refusal of the first layer that refuses, of those that are due for this text.

        Raises:
            ModerationUnavailableError: A layer is down, and the policy is to refuse what it cannot judge.
        """
        ...

    async def moderate(self, subject: Subject) -> list[tuple[Layer, Opinion]]:
        """What every layer that is switched on says.

        Raises:
            ModerationUnavailableError: As `review`.
        """
        ...


class Metrics(Protocol):
    """What an operator asks about judging."""

    def timed(self, direction: Direction, *, texts: int) -> AbstractContextManager[None]:
        """Count texts, and time the lexicon's work on them."""
        ...

    def found(self, findings: Sequence[Finding]) -> None:
        """Count and log what was found; never the text itself."""
        ...
