"""What a turn needs from the outside."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.chat.domain import (
    Chunk,
    InputCheck,
    Message,
    Model,
    Options,
    Outcome,
    Question,
    Screened,
    Usage,
    Verdict,
)


class Models(Protocol):
    """Which models can be asked."""

    async def find(self, model_id: str) -> Model:
        """The model of that name, or the default one for an empty name.

        Raises:
            ModelNotFoundError: There is none.
            UpstreamError: The provider has not answered yet.
        """
        ...


class Tokenizer(Protocol):
    """Counts tokens."""

    def count(self, text: str, encoding: str) -> int:
        """Tokens of a text in a tiktoken encoding; special tokens count as ordinary text."""
        ...


# As moderation.proto has it: what a word, or a combination of words, that ends in a window can have begun in.
PRECEDING_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Recollection:
    """What a conversation remembers; `version` counts its messages so far (0: it does not exist yet)."""

    messages: tuple[Message, ...] = ()
    version: int = 0


class Memory(Protocol):
    """Conversations."""

    async def recall(self, user_id: str, conversation_id: str) -> Recollection:
        """The latest messages, oldest first; empty for a conversation that does not exist yet.

        Raises:
            ConversationNotFoundError: It is another user's.
        """
        ...

    async def remember(
        self, user_id: str, conversation_id: str, known: Recollection, messages: Sequence[Message]
    ) -> None:
        """Append messages, creating the conversation at need."""
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

    async def screen(self, question: Question, window: str, *, preceding: str, last: bool) -> Screened:
        """Judge what was produced and not released yet; `preceding` is the end of what was, PRECEDING_CHARACTERS."""
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


class Wallet(Protocol):
    """Who pays."""

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        """Set the most that the turn can cost aside.

        Raises:
            ServiceError: INSUFFICIENT_QUOTA, as billing said it.
        """
        ...

    async def settle(self, question: Question, usage: Usage, outcome: Outcome) -> int:
        """Charge; answers the charge in micro-yuan."""
        ...

    async def release(self, question: Question) -> None:
        """Give the reservation back."""
        ...


class Upstream(Protocol):
    """Whoever runs the model."""

    def answer(
        self, model: Model, prompt: Sequence[Message], options: Options
    ) -> AbstractAsyncContextManager[AsyncGenerator[Chunk]]:
        """Ask the model; leaving the context cancels what it still generates.

        Each step of the generator gives everything that has arrived since the last one, as one chunk.

        Raises:
            UpstreamError, UpstreamBusyError, UpstreamTimeoutError, ModelNotFoundError, InvalidRequestError.
        """
        ...
