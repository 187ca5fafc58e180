"""What the answer cache is made of. Pure."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from services.chat.answer_stream import AnswerStream
from services.chat.domain import FinishReason, Piece, Source, Usage

# Asks for an answer; leaving the context cancels it.
Call = Callable[[], AbstractAsyncContextManager[AnswerStream]]


class KeptAnswer(msgspec.Struct, frozen=True):
    """A whole answer: what was shown of it, what it used, and what it was charged, in micro-yuan."""

    pieces: list[Piece]
    usage: Usage
    charged_micros: int
    finish_reason: FinishReason = FinishReason.STOP


class Charge(StrEnum):
    """What a turn pays for that the cache answers.

    Nothing, and no receipt; its question, as input that a provider had cached; or what the model's answer would cost.
    """

    FREE = "free"
    QUESTION = "question"
    FULL = "full"


class Found(StrEnum):
    """Where the answer to a question came from, for metrics; BYPASS is a question that shares no answer."""

    PROCESS = "process"
    REDIS = "redis"
    FLIGHT = "flight"
    MISS = "miss"
    BYPASS = "bypass"


# Told of the answer when it is whole and paid for.
Settled = Callable[[KeptAnswer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answering:
    """How one turn is answered: by whom, the call that does it, and whom to tell when the answer is whole and paid.

    `usage` is what the answer used, where that is known before it is given: of one that was kept.
    """

    source: Source
    call: Call
    settled: Settled
    usage: Usage | None = None

    @property
    def is_screened(self) -> bool:
        """Whether all of it has been let pass by the very lists, weights and policy that judged the question."""
        return self.usage is not None


class AnswerStore(Protocol):
    """Keeps answers for a while."""

    def local(self, key: str) -> KeptAnswer | None:
        """What this process has."""
        ...

    async def shared(self, key: str) -> KeptAnswer | None:
        """What all replicas share."""
        ...

    async def keep(self, key: str, answer: KeptAnswer) -> None:
        """Keep an answer."""
        ...


class AnswerMetrics(Protocol):
    """What the owner asks about the cache."""

    def looked_up(self, found: Found) -> None:
        """A question was looked up."""
        ...

    def saved(self, micros: int) -> None:
        """Calls of the model were saved that would have been charged so many micro-yuan."""
        ...
