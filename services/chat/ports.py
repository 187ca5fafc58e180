"""What a turn needs from the outside."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.chat.answer_stream import AnswerStream
from services.chat.domain import (
    AnswerState,
    Event,
    Message,
    Model,
    Options,
    Outcome,
    Place,
    Prepayment,
    Question,
    Source,
    Usage,
)
from services.chat.verdicts import InputCheck, Screened, Verdict

# Told of each event of a turn, and of the position in the answer that it reaches.
Show = Callable[[Event, int], None]


class Models(Protocol):
    """Which models can be asked."""

    async def find(self, model_id: str) -> Model:
        """The model of that name, or the default one for an empty name.

        Raises:
            ModelNotFoundError: There is none.
            UpstreamError: No provider has answered yet.
        """
        ...


class Tokenizer(Protocol):
    """Counts tokens."""

    def count(self, text: str, encoding: str) -> int:
        """Tokens of a text in a tiktoken encoding; special tokens count as ordinary text."""
        ...


# As moderation.proto has it: what a word, or a combination of words, that ends in a window can have begun in; and the
# longest window.
PRECEDING_CHARACTERS = 256
WINDOW_CHARACTERS_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Window:
    """The part of an answer that was produced and not released yet.

    `preceding` is the end of what was released, PRECEDING_CHARACTERS; `last` says that nothing follows. `traceparent`
    names the trace of its turn.
    """

    question: Question
    text: str
    preceding: str
    last: bool
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What a conversation remembers at the place where a turn is to happen.

    `messages` are the latest ones that lead there, oldest first; `summary` says what came before them, if anything
    does. `asked` is the question to ask again, when an answer is regenerated: it is remembered already. The new
    messages follow the one with the number `parent`; `version` counts the conversation's messages so far (0: it does
    not exist yet).
    """

    messages: tuple[Message, ...] = ()
    asked: tuple[Message, ...] = ()
    summary: Message | None = None
    parent: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Remembering:
    """What a turn adds to its conversation, and where.

    `known` is what was recalled, with the messages as they were weighed since; `state` and `model` are the answer's,
    which is the last of `messages`.
    """

    request_id: str
    place: Place
    known: Recollection
    messages: tuple[Message, ...]
    state: AnswerState
    model: str


class Memory(Protocol):
    """Conversations."""

    async def recall(self, user_id: str, conversation_id: str, place: Place) -> Recollection:
        """What is remembered there; nothing of a conversation that does not exist yet.

        Raises:
            ConversationNotFoundError: It was deleted, or a message is named and there is no such conversation.
            MessageNotFoundError: It has no such message, or none that can be regenerated or continued.
        """
        ...

    async def remember(self, user_id: str, conversation_id: str, new: Remembering) -> int:
        """Append messages, creating the conversation at need; answers the number of the last one."""
        ...


class Moderation(Protocol):
    """What may be asked and said."""

    async def check_input(self, question: Question) -> InputCheck:
        """Judge the new messages of a question by the lexicon."""
        ...

    async def review_input(self, question: Question) -> Verdict:
        """Judge them by the remote layers.

        Raises:
            ServiceError: MODERATION_UNAVAILABLE, when a layer is down and the owner's policy is to refuse then.
        """
        ...

    async def screen(self, windows: Sequence[Window]) -> Sequence[Screened]:
        """Judge windows of many answers together, none of them longer than WINDOW_CHARACTERS_MAX."""
        ...

    async def review_output(self, question: Question, passage: str, *, referred: bool) -> Verdict:
        """Judge a passage of the answer by the remote layers; `referred` when the lexicon refers a part of it.

        Raises:
            ServiceError: As `review_input`.
        """
        ...


class ReviewMetrics(Protocol):
    """What an operator asks about remote layers."""

    def waited(self, seconds: float) -> None:
        """An answer's first text was there so long before the verdict on its question."""
        ...


@dataclass(frozen=True, slots=True)
class Bill:
    """What a turn is charged for. `lost` was spent on calls for it that were given up: a cost of ours alone."""

    user_id: str
    ledger_id: str
    usage: Usage
    outcome: Outcome
    source: Source = Source.MODEL
    lost: Usage | None = None


class Wallet(Protocol):
    """Who pays."""

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        """Set the most that the turn can cost aside.

        Raises:
            ServiceError: INSUFFICIENT_QUOTA, as billing said it; REQUEST_CONFLICT when the turn is over already.
        """
        ...

    async def charge(self, prepayment: Prepayment) -> int:
        """Charge before anything is shown, without a reservation; answers the charge in micro-yuan.

        Raises:
            ServiceError: As `reserve`. Where billing was not heard it may be charged all the same: void it.
        """
        ...

    async def void(self, prepayment: Prepayment) -> None:
        """Make a charge undone, whether billing has heard of it or is still to."""
        ...

    async def settle(self, bill: Bill) -> int:
        """Charge; answers the charge in micro-yuan."""
        ...

    async def release(self, user_id: str, ledger_id: str) -> None:
        """Give the reservation back."""
        ...


class Summaries(Protocol):
    """Summaries of what falls out of a conversation's window."""

    def fallen(self, user_id: str, conversation_id: str, summary: Message | None, dropped: Sequence[Message]) -> None:
        """These messages did not fit any more, oldest first; they are summarised beside everything else, or not.

        `summary` is what a prompt has in their place so far.
        """
        ...


class Quarantine(Protocol):
    """Figures of providers that cannot be true."""

    def compared(self, question: Question, model: Model, reported: Usage, ours: Usage, *, set_aside: bool) -> None:
        """A provider's figures and ours; `set_aside` when the provider's were not believed."""
        ...


class Upstream(Protocol):
    """Whoever runs the model."""

    def answer(
        self, model: Model, prompt: Sequence[Message], options: Options
    ) -> AbstractAsyncContextManager[AnswerStream]:
        """Ask the model; leaving the context cancels what it still generates.

        Raises:
            UpstreamError, UpstreamBusyError, UpstreamTimeoutError, ModelNotFoundError, InvalidRequestError.
        """
        ...
