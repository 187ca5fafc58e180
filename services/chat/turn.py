"""One turn: the path that everything serves. Pure: what it needs from the outside comes through ports."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from services.chat.domain import (
    Chunk,
    Completed,
    Delta,
    Event,
    FinishReason,
    Message,
    Model,
    Outcome,
    Question,
    Role,
    Started,
    Usage,
)
from services.chat.errors import ContentRefusedError, UpstreamError
from services.chat.pacing import Background, Pace
from services.chat.ports import (
    PRECEDING_CHARACTERS,
    Memory,
    Models,
    Moderation,
    Recollection,
    ReviewMetrics,
    Tokenizer,
    Upstream,
    Wallet,
)
from services.chat.review import Released, Reviewing, demand_allowed
from services.chat.window import Prompt, demand_countable, fit
from services.runtime.errors import Code, ServiceError


@dataclass(slots=True)
class Draft:
    """What the model has produced so far, and what of it was released to the user."""

    produced: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    held: str = ""
    preceding: str = ""
    finish_reason: FinishReason | None = None
    reported: Usage | None = None

    def add(self, chunk: Chunk) -> None:
        """Take in what the model sent."""
        self.produced.append(chunk.text)
        self.held += chunk.text
        self.finish_reason = chunk.finish_reason or self.finish_reason
        # Figures that came before more text are not those of the whole answer.
        self.reported = chunk.usage or (None if chunk.text else self.reported)

    def release(self, characters: int) -> str:
        """Let the first characters of what is held go."""
        text, self.held = self.held[:characters], self.held[characters:]
        self.released.append(text)
        self.preceding = (self.preceding + text)[-PRECEDING_CHARACTERS:]
        return text


class Turns:
    """Runs turns."""

    def __init__(
        self,
        *,
        models: Models,
        memory: Memory,
        moderation: Moderation,
        wallet: Wallet,
        upstream: Upstream,
        tokenizer: Tokenizer,
        pace: Pace,
        background: Background,
        metrics: ReviewMetrics,
    ) -> None:
        """Take the ports."""
        self._models = models
        self._memory = memory
        self._moderation = moderation
        self._wallet = wallet
        self._upstream = upstream
        self._tokenizer = tokenizer
        self._pace = pace
        self._background = background
        self._metrics = metrics

    async def run(self, question: Question) -> AsyncGenerator[Event]:
        """Answer a question.

        Closing the iterator, or cancelling the task that runs it, cancels the model and charges what was produced.

        Raises:
            ServiceError: With a reason that chat.proto documents.
        """
        model = await self._models.find(question.model)
        known, check = await asyncio.gather(self._recall(question), self._moderation.check_input(question))
        demand_allowed(check.verdict)
        demand_countable(question.messages, model)
        asked = [self._weighed(message, model) for message in question.messages]
        history = [self._weighed(message, model) for message in known.messages]
        prompt = fit(history, asked, model, question.options.max_output_tokens)

        draft, outcome = Draft(), Outcome.CANCELLED
        async with Reviewing(self._moderation, self._metrics, question, check) as reviewing:
            await self._reserve(question, model, prompt)
            try:
                yield Started(question.conversation_id, model.id)
                async with aclosing(reviewing.shown(self._answer(question, model, prompt, draft))) as texts:
                    async for text in texts:
                        yield Delta(text)
                outcome = Outcome.COMPLETED
            except ContentRefusedError:
                outcome = Outcome.REFUSED
                raise
            except Exception:
                outcome = Outcome.FAILED
                raise
            finally:
                # Whatever happened, and even if nobody waits any more, the reservation is closed.
                usage = self._usage(prompt, draft, model)
                closing = self._background.start(self._close(question, usage, draft, outcome))

        charged_micros = await asyncio.shield(closing)
        if question.conversation_id:
            # PostgreSQL keeps every character but NUL.
            text = "".join(draft.released).replace("\x00", "")
            answer = self._weighed(Message(Role.ASSISTANT, text), model)
            new = [message for message in asked if message.role is not Role.SYSTEM]
            # Shielded as well: the answer was given and paid for, so it is remembered even if the user leaves now.
            # A memory that fails is logged, and no reason to call a whole answer an error.
            with suppress(ServiceError):
                await asyncio.shield(self._background.start(self._remember(question, known, [*new, answer])))
        yield Completed(draft.finish_reason or FinishReason.STOP, usage, charged_micros)

    async def _answer(self, question: Question, model: Model, prompt: Prompt, draft: Draft) -> AsyncGenerator[Released]:
        """What the lexicon lets pass of the answer, as it is written."""
        options = replace(question.options, max_output_tokens=prompt.max_output_tokens)
        async with (
            self._upstream.answer(model, prompt.messages, options) as chunks,
            aclosing(self._pace.coalesce(chunks)) as paced,
        ):
            async for chunk in paced:
                draft.add(chunk)
                async for released in self._released(question, draft, last=False):
                    yield released
        if draft.finish_reason is None:
            raise UpstreamError("The model's answer broke off; ask again.", retry_after_s=1)
        async for released in self._released(question, draft, last=True):
            yield released

    async def _released(self, question: Question, draft: Draft, *, last: bool) -> AsyncIterator[Released]:
        """What of the held text the lexicon lets pass; a refusal follows what stood before the refused word."""
        if not draft.held:
            return
        screened = await self._moderation.screen(question, draft.held, preceding=draft.preceding, last=last)
        if text := draft.release(screened.released_characters):
            yield Released(text, screened.referred)
        demand_allowed(screened.verdict)

    async def _recall(self, question: Question) -> Recollection:
        if not question.conversation_id:
            return Recollection()
        return await self._memory.recall(question.user_id, question.conversation_id)

    async def _remember(self, question: Question, known: Recollection, messages: Sequence[Message]) -> None:
        await self._memory.remember(question.user_id, question.conversation_id, known, messages)

    async def _reserve(self, question: Question, model: Model, prompt: Prompt) -> None:
        reserving = asyncio.create_task(
            self._wallet.reserve(question, model, prompt.input_tokens, prompt.max_output_tokens)
        )
        try:
            await asyncio.shield(reserving)
        except BaseException as error:
            # The user left while billing was deciding, or its answer was lost: give back what it may have set aside.
            if not isinstance(error, ServiceError) or error.wire_code is Code.UNAVAILABLE:
                self._background.start(self._release_after(reserving, question))
            raise

    async def _release_after(self, reserving: asyncio.Task[None], question: Question) -> None:
        await asyncio.gather(reserving, return_exceptions=True)
        # Often there is nothing to give back; what cannot be given back now expires.
        with suppress(ServiceError):
            await self._wallet.release(question)

    async def _close(self, question: Question, usage: Usage, draft: Draft, outcome: Outcome) -> int:
        """Close the reservation: an answer is paid for, a turn that produced nothing is free."""
        if any(draft.produced) or outcome is Outcome.COMPLETED:
            return await self._wallet.settle(question, usage, outcome)
        await self._wallet.release(question)
        return 0

    def _usage(self, prompt: Prompt, draft: Draft, model: Model) -> Usage:
        """The provider's own figures when they can be true, else our count."""
        reported = draft.reported
        if (
            reported is not None
            and 0 <= reported.cached_input <= reported.input <= model.context_tokens
            and reported.input > 0
            and 0 <= reported.output <= prompt.max_output_tokens
            and (reported.output > 0 or not any(draft.produced))
        ):
            return reported
        produced = self._tokenizer.count("".join(draft.produced), model.encoding)
        return Usage(input=prompt.input_tokens, output=min(produced, prompt.max_output_tokens))

    def _weighed(self, message: Message, model: Model) -> Message:
        """The message with its token count, counted only when it is not known."""
        if message.encoding == model.encoding:
            return message
        tokens = self._tokenizer.count(message.content, model.encoding)
        return replace(message, tokens=tokens, encoding=model.encoding)
