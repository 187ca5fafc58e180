"""A turn's surroundings, in memory, and a turn whose events are kept as they come."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from services.chat.answers.cache import Answers
from services.chat.answers.domain import Charge, Found, KeptAnswer
from services.chat.background import Background
from services.chat.domain import (
    Channel,
    Chunk,
    Completed,
    Delta,
    Event,
    Failed,
    Message,
    Model,
    Options,
    Question,
    Role,
)
from services.chat.pump import Pump
from services.chat.settlement import Settlement
from services.chat.turn import Turns
from services.chat.verdicts import OutputPlan, Review
from services.runtime.errors import ServiceError
from tests.fakes.turn_ports import (
    CharacterTokenizer,
    DictMemory,
    KnownModels,
    Oddities,
    RecordingWallet,
    ScriptedUpstream,
    Waits,
    WordModeration,
)

# When all turns begin.
NOW_S = 1_700_000_000

HELLO = Question("req_1", "usr_1", "", "", (Message(Role.USER, "hello"),), Options())


class DictAnswers:
    """The ports `AnswerStore` and `AnswerMetrics`, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptAnswer] = {}
        self.found: list[Found] = []
        self.saved_micros = 0

    def local(self, key: str) -> KeptAnswer | None:
        return None

    async def shared(self, key: str) -> KeptAnswer | None:
        await asyncio.sleep(0)
        return self.kept.get(key)

    async def keep(self, key: str, answer: KeptAnswer) -> None:
        self.kept[key] = answer

    def looked_up(self, found: Found) -> None:
        self.found.append(found)

    def saved(self, micros: int) -> None:
        self.saved_micros += micros


class Scene:
    """Turns of a question, over a scripted model."""

    def __init__(
        self,
        script: Sequence[Chunk | ServiceError | float],
        *,
        review: Review = Review.NONE,
        output: OutputPlan = OutputPlan(),  # noqa: B008  # frozen
        charge: Charge = Charge.QUESTION,
        models: Sequence[Model] = (),
    ) -> None:
        self.memory, self.wallet, self.upstream = DictMemory(), RecordingWallet(), ScriptedUpstream(script)
        self.moderation = WordModeration(review=review, output=output)
        self.waits, self.background, self.oddities = Waits(), Background(), Oddities()
        self.answers = DictAnswers()
        self.events: list[Event] = []
        self.positions: list[int] = []
        tokenizer = CharacterTokenizer()
        self.settlement = Settlement(
            models=KnownModels(*models),
            wallet=self.wallet,
            memory=self.memory,
            tokenizer=tokenizer,
            quarantine=self.oddities,
            summaries=self.oddities,
            cache_charge=charge,
        )
        self.turns = Turns(
            models=KnownModels(*models),
            memory=self.memory,
            moderation=self.moderation,
            wallet=self.wallet,
            answers=Answers(self.answers, self.answers),
            upstream=self.upstream,
            tokenizer=tokenizer,
            settlement=self.settlement,
            pump=Pump(self.moderation, tick_s=0.002),
            background=self.background,
            metrics=self.waits,
            clock=lambda: NOW_S + 0.5,
        )

    def show(self, event: Event, position: int) -> None:
        self.events.append(event)
        self.positions.append(position)

    def begin(self, text: str = "hello", conversation_id: str = "c1") -> asyncio.Task[list[Event]]:
        return asyncio.create_task(self.run(text, conversation_id))

    async def run(self, text: str = "hello", conversation_id: str = "", model: str = "") -> list[Event]:
        """The events of one turn; those of all turns are in `events`."""
        messages = (Message(Role.USER, text),)
        return await self.ask(replace(HELLO, messages=messages, conversation_id=conversation_id, model=model))

    async def ask(self, question: Question) -> list[Event]:
        begin = len(self.events)
        try:
            await self.turns.run(question, self.show)
        finally:
            await self.background.drain()
        return self.events[begin:]

    async def until(self, said: str) -> None:
        async with asyncio.timeout(2):
            while self.said != said:
                await asyncio.sleep(0.001)

    @property
    def said(self) -> str:
        return said(self.events)

    @property
    def outcome(self) -> object:
        return self.wallet.happened[-1][-1]


def said(events: Sequence[Event], channel: Channel = Channel.TEXT) -> str:
    """The text that events brought."""
    return "".join(event.piece.text for event in events if isinstance(event, Delta) and event.piece.channel is channel)


def completed(events: Sequence[Event]) -> Completed:
    """How the turn was completed."""
    assert isinstance(events[-1], Completed), events[-1]
    return events[-1]


def failed(events: Sequence[Event]) -> Failed:
    """How the turn failed."""
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]
