"""One turn: the path that everything serves. Pure: what it needs from the outside comes through ports."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import structlog

from services.chat.answers.cache import Answers
from services.chat.answers.domain import Answering
from services.chat.attempt import Attempt
from services.chat.background import Background
from services.chat.domain import Message, Model, Outcome, Question, Role, Source, Started, Where
from services.chat.ending import Ending, ended, failed, uncancel, unexpected
from services.chat.errors import ContentRefusedError, ModelDownError
from services.chat.live_answer import LiveAnswer
from services.chat.ports import (
    Memory,
    Models,
    Moderation,
    Recollection,
    ReviewMetrics,
    Show,
    Tokenizer,
    Upstream,
    Wallet,
)
from services.chat.pump import Pump
from services.chat.review import Reviewing, demand_allowed
from services.chat.settlement import Prepaid, Settlement
from services.chat.upstreams.parameters import accepted
from services.chat.verdicts import InputCheck, Review
from services.chat.window import answered, demand_countable, fit, is_long, weigh, weigh_extra, whole
from services.runtime.errors import Code, ServiceError, UnavailableError

DecidedT = TypeVar("DecidedT")

log = structlog.get_logger()

# Asks a model to go on with an answer of its own that was cut short; not remembered.
_GO_ON = Message(Role.USER, "请从中断的地方直接继续写下去，不要重复已经写过的内容。")


class Turns:
    """Runs turns."""

    def __init__(
        self,
        *,
        models: Models,
        memory: Memory,
        moderation: Moderation,
        wallet: Wallet,
        answers: Answers,
        upstream: Upstream,
        tokenizer: Tokenizer,
        settlement: Settlement,
        pump: Pump,
        background: Background,
        metrics: ReviewMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the ports; `clock` answers seconds since 1970 UTC."""
        self._models = models
        self._memory = memory
        self._moderation = moderation
        self._wallet = wallet
        self._answers = answers
        self._upstream = upstream
        self._tokenizer = tokenizer
        self._settlement = settlement
        self._pump = pump
        self._background = background
        self._metrics = metrics
        self._clock = clock

    async def run(self, question: Question, show: Show) -> None:
        """Answer a question; the last event is `Completed` or `Failed`, and then the turn is paid for.

        Cancelling the task stops the model, charges what was produced and completes the turn as cancelled; before the
        model was asked the turn fails, and costs nothing.
        """
        try:
            model = await self._models.find(question.model)
            options, dropped = accepted(question.options, model)
            question, known, check = await self._prepared(replace(question, options=options))
            while True:
                attempt = await self._composed(question, known, check, model)
                ending = await self._attempted(attempt, dropped, show)
                fallback = await self._fallback(attempt, ending)
                if fallback is None:
                    break
                model, question = fallback, replace(question, attempt=question.attempt + 1)
        except ServiceError as error:
            show(failed(error, question), 0)
        except asyncio.CancelledError:
            uncancel()
            show(failed(UnavailableError("The turn was stopped before it began.", retry_after_s=1), question), 0)
        else:
            show(ending.told(attempt), attempt.draft.outline.position)

    async def _prepared(self, question: Question) -> tuple[Question, Recollection, InputCheck]:
        """The question with what it follows, checked by the lexicon.

        Raises:
            ContentRefusedError: The lexicon refuses it.
        """
        if question.place.where in (Where.REGENERATE, Where.CONTINUE):
            known = await self._recall(question)
            question = replace(question, messages=(*question.messages, *(known.asked or (_GO_ON,))))
            check = await self._moderation.check_input(question)
        elif question.conversation_id:
            known, check = await asyncio.gather(self._recall(question), self._moderation.check_input(question))
        else:
            known, check = Recollection(), await self._moderation.check_input(question)
        demand_allowed(check.verdict)
        return question, known, check

    async def _composed(self, question: Question, known: Recollection, check: InputCheck, model: Model) -> Attempt:
        """The prompt for a model.

        Raises:
            ContextTooLongError: What must be sent does not fit.
        """
        demand_countable(question.messages, model)
        if is_long((*question.messages, *known.messages), question.options.extra_json, model):
            return await asyncio.to_thread(self._attempt, question, known, check, model)
        return self._attempt(question, known, check, model)

    def _attempt(self, question: Question, known: Recollection, check: InputCheck, model: Model) -> Attempt:
        asked = tuple(weigh(message, model, self._tokenizer) for message in question.messages)
        known = replace(
            known,
            messages=tuple(weigh(message, model, self._tokenizer) for message in known.messages),
            summary=known.summary and weigh(known.summary, model, self._tokenizer),
        )
        prompt = fit(
            known.messages,
            asked,
            model,
            question.options.max_output_tokens,
            summary=known.summary,
            extra_tokens=weigh_extra(question.options.extra_json, model, self._tokenizer),
            # What is to be gone on with must be there.
            keep_newest=question.place.where is Where.CONTINUE,
        )
        prompt = replace(prompt, messages=whole(answered(prompt.messages)))
        return Attempt(question, known, check, model, asked, prompt)

    async def _attempted(self, attempt: Attempt, dropped: tuple[str, ...], show: Show) -> Ending:
        """Ask, and show what comes.

        Raises:
            ServiceError: Nothing was asked, and nothing is charged.
        """
        question, ending = attempt.question, None
        options = replace(question.options, max_output_tokens=attempt.prompt.max_output_tokens)
        call = partial(self._upstream.answer, attempt.model, attempt.prompt.messages, options)
        try:
            async with (
                self._answers.find(
                    question, attempt.known.messages, attempt.model, attempt.check.version, call
                ) as answering,
                Reviewing(self._moderation, self._metrics, question, attempt.check) as reviewing,
            ):
                prepaid = await self._pay(attempt, answering)
                show(self._started(attempt, answering.source, dropped, prepaid), 0)
                outcome, error = await self._shown(attempt, answering, reviewing, show)
                # Whatever happened, and even if nobody waits any more, the reservation is closed.
                closing = self._background.start(self._settlement.close(attempt, answering, outcome, prepaid))
                ending = await ended(closing, outcome, error)
        except asyncio.CancelledError:
            if ending is None:
                raise
            uncancel()
            ending = replace(ending, stopped=True)
        return ending

    async def _shown(
        self, attempt: Attempt, answering: Answering, reviewing: Reviewing, show: Show
    ) -> tuple[Outcome, ServiceError | None]:
        """Show what comes, and answer how that ended."""
        try:
            async with reviewing.interrupting():
                await self._pumped(attempt, answering, reviewing, show)
        except asyncio.CancelledError:
            uncancel()
            return Outcome.CANCELLED, None
        except ServiceError as error:
            return Outcome.REFUSED if isinstance(error, ContentRefusedError) else Outcome.FAILED, error
        except Exception as error:
            log.exception("answer failed unexpectedly", error=type(error).__name__)
            return Outcome.FAILED, unexpected()
        return Outcome.COMPLETED, None

    async def _pumped(self, attempt: Attempt, answering: Answering, reviewing: Reviewing, show: Show) -> None:
        """Ask, and let the answer through the pump; what ends it early is told once what came before is judged."""
        # Which parts of an answer the lexicon refers is not kept with it.
        is_screened = answering.is_screened and attempt.check.output.review is Review.NONE
        try:
            async with answering.call() as stream:
                await self._pump.run(
                    LiveAnswer(attempt.question, attempt.draft, stream, reviewing, show, is_screened=is_screened)
                )
        except Exception:
            await reviewing.finish()
            raise
        await reviewing.finish()

    def _started(self, attempt: Attempt, source: Source, dropped: tuple[str, ...], prepaid: Prepaid | None) -> Started:
        question = attempt.question
        return Started(
            question.conversation_id,
            attempt.model.id,
            source,
            question.ledger_id,
            attempt.prompt.input_tokens,
            question.attempt,
            int(self._clock()),
            dropped,
            None if prepaid is None else prepaid.prepayment,
        )

    async def _fallback(self, attempt: Attempt, ending: Ending) -> Model | None:
        """The model that takes over, when the one that was asked is down and has not said a word."""
        if ending.stopped or not isinstance(ending.error, ModelDownError):
            return None
        if any(attempt.draft.produced) or not attempt.model.fallback:
            return None
        with suppress(ServiceError):
            model = await self._models.find(attempt.model.fallback)
            accepted(attempt.question.options, model)
            await self._composed(attempt.question, attempt.known, attempt.check, model)
            return model
        return None

    async def _recall(self, question: Question) -> Recollection:
        if not question.conversation_id:
            return Recollection()
        return await self._memory.recall(question.user_id, question.conversation_id, question.place)

    async def _pay(self, attempt: Attempt, answering: Answering) -> Prepaid | None:
        """Charge at once what is known to be used, else set the worst case aside."""
        question = attempt.question
        if (prepayment := self._settlement.prepayment(attempt, answering)) is not None:
            charging = self._wallet.charge(prepayment)
            return Prepaid(prepayment, await self._decided(charging, partial(self._wallet.void, prepayment)))
        if (tokens := self._settlement.reserved_tokens(attempt, answering.source)) is not None:
            reserving = self._wallet.reserve(question, attempt.model, *tokens)
            release = partial(self._wallet.release, question.user_id, question.ledger_id)
            await self._decided(reserving, release)
        return None

    async def _decided(self, deciding: Coroutine[Any, Any, DecidedT], undo: Callable[[], Awaitable[None]]) -> DecidedT:
        decision = asyncio.create_task(deciding)
        try:
            return await asyncio.shield(decision)
        except BaseException as error:
            # The user left while billing was deciding, or its answer was lost: undo what it may have decided.
            if not isinstance(error, ServiceError) or error.wire_code is Code.UNAVAILABLE:
                self._background.start(self._undone_after(decision, undo))
            raise

    async def _undone_after(self, decision: "asyncio.Task[DecidedT]", undo: Callable[[], Awaitable[None]]) -> None:
        await asyncio.gather(decision, return_exceptions=True)
        # Often there is nothing to undo; what cannot be undone now is undone later, or expires.
        with suppress(ServiceError):
            await undo()
