"""The ports of a turn, in memory: they do what the real ones promise and remember what they were asked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.chat.answer_stream import AnswerStream
from services.chat.domain import (
    Chunk,
    FinishReason,
    Message,
    Model,
    Options,
    Piece,
    Place,
    Prepayment,
    Question,
    Role,
    Usage,
)
from services.chat.errors import ModelNotFoundError
from services.chat.ports import Bill, Recollection, Remembering, Window
from services.chat.verdicts import InputCheck, OutputPlan, Review, Screened, Verdict
from services.runtime.errors import Code, RemoteError, ServiceError, UnavailableError
from tests.fakes.answer_streams import generated

MODEL = Model(
    id="fake-model", context_tokens=1000, max_output_tokens=100, encoding="characters", message_tokens=3, reply_tokens=3
)


def chunk(text: str = "", finish_reason: FinishReason | None = None, usage: Usage | None = None) -> Chunk:
    """What a provider sent at once, all of it text."""
    return Chunk((Piece(text),) if text else (), finish_reason, usage)


class CharacterTokenizer:
    """One token a character."""

    def count(self, text: str, encoding: str) -> int:
        return len(text)


class KnownModels:
    """Knows MODEL, and whatever else it is given."""

    def __init__(self, *others: Model) -> None:
        self.models = {model.id: model for model in (MODEL, *others)}

    async def find(self, model_id: str) -> Model:
        if (model_id or MODEL.id) not in self.models:
            raise ModelNotFoundError("no such model")
        return self.models[model_id or MODEL.id]


@dataclass
class DictMemory:
    """Conversations without branches, in a dictionary; `place` and `asked` say what a regenerated answer is of."""

    conversations: dict[str, list[Message]] = field(default_factory=dict)
    remembered: list[Remembering] = field(default_factory=list)
    recollection: Recollection | None = None
    away: bool = False

    async def recall(self, user_id: str, conversation_id: str, place: Place) -> Recollection:
        if self.recollection is not None:
            return self.recollection
        messages = self.conversations.get(conversation_id, [])
        return Recollection(tuple(messages), version=len(messages), parent=len(messages))

    async def remember(self, user_id: str, conversation_id: str, new: Remembering) -> int:
        if self.away:
            raise UnavailableError("the memory does not answer")
        self.remembered.append(new)
        messages = self.conversations.setdefault(conversation_id, [])
        messages.extend(new.messages)
        return len(messages)

    @property
    def texts(self) -> list[tuple[Role, str]]:
        """What is remembered, of all conversations."""
        return [(message.role, message.content) for kept in self.conversations.values() for message in kept]


@dataclass
class Oddities:
    """The ports `Quarantine` and `Summaries`: keeps what it is told."""

    set_aside: list[tuple[Usage, Usage]] = field(default_factory=list)
    fell: list[Sequence[Message]] = field(default_factory=list)

    def compared(self, question: Question, model: Model, reported: Usage, ours: Usage, *, set_aside: bool) -> None:
        if set_aside:
            self.set_aside.append((reported, ours))

    def fallen(self, user_id: str, conversation_id: str, summary: Message | None, dropped: Sequence[Message]) -> None:
        if dropped:
            self.fell.append(dropped)


@dataclass
class WordModeration:
    """Refuses one word by the lexicon, in both directions, and holds back its live prefixes; refers another.

    Remote layers refuse a third, once `question_verdict` and `passage_verdict` are set; an error in place of them is
    raised.
    """

    word: str = "forbidden"
    referred: str = "doubtful"
    remote_word: str = "remote-no"
    review: Review = Review.NONE
    output: OutputPlan = field(default_factory=OutputPlan)
    question_verdict: asyncio.Event = field(default_factory=asyncio.Event)
    passage_verdict: asyncio.Event = field(default_factory=asyncio.Event)
    unavailable: ServiceError | None = None
    version: str = "v1"
    passages: list[str] = field(default_factory=list)
    preceding: list[str] = field(default_factory=list)

    async def check_input(self, question: Question) -> InputCheck:
        refused = any(self.word in message.content for message in question.messages)
        return InputCheck(Verdict(refused, "lexicon" if refused else ""), self.review, self.output, self.version)

    async def review_input(self, question: Question) -> Verdict:
        await self.question_verdict.wait()
        return self._remote("".join(message.content for message in question.messages))

    async def review_output(self, question: Question, passage: str, *, referred: bool) -> Verdict:
        self.passages.append(passage)
        await self.passage_verdict.wait()
        return self._remote(passage)

    def _remote(self, text: str) -> Verdict:
        if self.unavailable is not None:
            raise self.unavailable
        return Verdict(True, "wechat", 20002) if self.remote_word in text else Verdict(False)

    async def screen(self, windows: Sequence[Window]) -> list[Screened]:
        return list(map(self._screened, windows))

    def _screened(self, window: Window) -> Screened:
        self.preceding.append(window.preceding)
        text, referred = window.text, self.referred in window.text
        if self.word in text:
            return Screened(text.index(self.word), Verdict(True, "lexicon"), referred, self.version)
        if window.last:
            return Screened(len(text), Verdict(False), referred, self.version)
        held = next(n for n in range(len(self.word) - 1, -1, -1) if text.endswith(self.word[:n]))
        return Screened(len(text) - held, Verdict(False), referred, self.version)


@dataclass
class Waits:
    """The port `ReviewMetrics`."""

    seconds: list[float] = field(default_factory=list)

    def waited(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class RecordingWallet:
    """Charges one micro-yuan a token, and keeps what happened in order."""

    affordable: bool = True
    lost: bool = False
    reserve_delay_s: float = 0
    happened: list[tuple[object, ...]] = field(default_factory=list)
    bills: list[Bill | str] = field(default_factory=list)
    # What was charged at once, and not voided.
    prepayments: list[Prepayment] = field(default_factory=list)

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        await asyncio.sleep(self.reserve_delay_s)
        if not self.affordable:
            raise RemoteError(Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA", "not enough")
        self.happened.append(("reserve", input_tokens, max_output_tokens))
        self.bills.append(question.ledger_id)
        if self.lost:
            raise UnavailableError("the answer was lost")

    async def charge(self, prepayment: Prepayment) -> int:
        await asyncio.sleep(self.reserve_delay_s)
        if not self.affordable:
            raise RemoteError(Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA", "not enough")
        usage = prepayment.usage
        self.happened.append(("charge", usage.input, usage.output))
        self.prepayments.append(prepayment)
        if self.lost:
            raise UnavailableError("the answer was lost")
        return usage.input + usage.output

    async def void(self, prepayment: Prepayment) -> None:
        self.happened.append(("void",))
        self.prepayments.remove(prepayment)

    async def settle(self, bill: Bill) -> int:
        self.happened.append(("settle", bill.usage.input, bill.usage.output, bill.outcome))
        self.bills.append(bill)
        return bill.usage.input + bill.usage.output

    async def release(self, user_id: str, ledger_id: str) -> None:
        self.happened.append(("release",))
        self.bills.append(ledger_id)

    @property
    def verbs(self) -> list[object]:
        return [entry[0] for entry in self.happened]


@dataclass
class ScriptedUpstream:
    """Sends the scripted chunks; an error in the script is raised, a float is a pause in seconds."""

    script: Sequence[Chunk | ServiceError | float]
    models: list[str] = field(default_factory=list)
    prompts: list[Sequence[Message]] = field(default_factory=list)
    options: list[Options] = field(default_factory=list)
    closed: bool = False

    @asynccontextmanager
    async def answer(self, model: Model, prompt: Sequence[Message], options: Options) -> AsyncIterator[AnswerStream]:
        self.models.append(model.id)
        self.prompts.append(prompt)
        self.options.append(options)
        try:
            async with generated(self._play()) as stream:
                yield stream
        finally:
            self.closed = True

    async def _play(self) -> AsyncGenerator[Chunk]:
        # Whoever falls back plays from the next step on.
        script, self.script = list(self.script), ()
        for index, step in enumerate(script):
            if isinstance(step, Chunk):
                yield step
            elif isinstance(step, float):
                await asyncio.sleep(step)
            else:
                self.script = script[index + 1 :]
                raise step
        self.script = script
