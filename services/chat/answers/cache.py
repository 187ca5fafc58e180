"""The answer cache: who asks what was just answered, or is just being answered, costs no call of the model. Pure.

It stands where the model stands: what it gives is reviewed, charged and remembered like what a model writes. It is not
screened again by the very lists, weights and policy that have let all of it pass: under others it is not found.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.chat.answer_stream import AnswerStream
from services.chat.answers.domain import Answering, AnswerMetrics, AnswerStore, Call, Found, KeptAnswer, Settled
from services.chat.answers.flights import Flight
from services.chat.answers.key import key
from services.chat.domain import CachePolicy, Chunk, FinishReason, Message, Model, Question, Source


class Answers:
    """Finds who answers a turn."""

    def __init__(self, store: AnswerStore, metrics: AnswerMetrics) -> None:
        """Keep answers in this store."""
        self._store = store
        self._metrics = metrics
        # Calls under way in this process, by key.
        self._flights: dict[str, Flight] = {}

    @asynccontextmanager
    async def find(
        self, question: Question, history: tuple[Message, ...], model: Model, version: str, call: Call
    ) -> AsyncIterator[Answering]:
        """How a question is answered.

        Args:
            question: What is asked.
            history: What of the conversation the model is sent, too.
            model: Who is asked.
            version: Names what moderation judged the question by.
            call: Asks the model itself.
        """
        name = None if question.cache is CachePolicy.NO_STORE else key(question, history, model, version)
        if name is None:
            self._metrics.looked_up(Found.BYPASS)
            yield Answering(Source.MODEL, call, _forget)
            return
        if question.cache is CachePolicy.USE and (kept := await self._kept(name)) is not None:
            yield Answering(Source.CACHE, partial(_replayed, kept), partial(self._count, kept), kept.usage)
            return
        flight = self._joinable(name) if question.cache is CachePolicy.USE else None
        source = Source.MODEL if flight is None else Source.CACHE
        if flight is None:
            self._metrics.looked_up(Found.MISS)
            flight = self._flights[name] = Flight(call)
            settled: Settled = partial(self._keep, name, flight)
        else:
            self._metrics.looked_up(Found.FLIGHT)
            flight.joined += 1
            settled = _forget
        try:
            async with flight.board():
                yield Answering(source, partial(flight.listen, pays_losses=source is Source.MODEL), settled)
        finally:
            # Until its answer is kept a call can be joined, also when it is over; unless it failed.
            if (flight.is_empty or flight.failed) and self._flights.get(name) is flight:
                del self._flights[name]

    async def _kept(self, name: str) -> KeptAnswer | None:
        if (kept := self._store.local(name)) is not None:
            self._metrics.looked_up(Found.PROCESS)
        # Whoever is answering it now has not kept it yet.
        elif name not in self._flights and (kept := await self._store.shared(name)) is not None:
            self._metrics.looked_up(Found.REDIS)
        return kept

    def _joinable(self, name: str) -> Flight | None:
        flight = self._flights.get(name)
        return None if flight is None or flight.failed else flight

    async def _keep(self, name: str, flight: Flight, answer: KeptAnswer) -> None:
        self._metrics.saved(answer.charged_micros * flight.joined)
        if answer.finish_reason is FinishReason.STOP:
            await self._store.keep(name, answer)

    async def _count(self, kept: KeptAnswer, again: KeptAnswer) -> None:
        """What was saved is what the first one to ask was charged."""
        self._metrics.saved(kept.charged_micros)


async def _forget(answer: KeptAnswer) -> None:
    """Nothing is done with it."""


@asynccontextmanager
async def _replayed(kept: KeptAnswer) -> AsyncIterator[AnswerStream]:
    yield _Replay(kept)


class _Replay(AnswerStream):
    """A kept answer, all of it at once."""

    def __init__(self, kept: KeptAnswer) -> None:
        self._kept: KeptAnswer | None = kept

    @property
    def ended(self) -> bool:
        return self._kept is None

    def take(self) -> Chunk | None:
        kept, self._kept = self._kept, None
        return None if kept is None else Chunk(tuple(kept.pieces), kept.finish_reason, kept.usage)

    async def arrived(self) -> None:
        """It was there all the time."""
