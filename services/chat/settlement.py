"""However a turn ends, what was produced is charged, the rest is given back, and what was shown is remembered. Pure."""

import asyncio
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from services.chat.answers.domain import Answering, Charge, KeptAnswer
from services.chat.attempt import Attempt
from services.chat.domain import AnswerState, FinishReason, Outcome, Prepayment, Role, Source, Started, Usage
from services.chat.draft import joined
from services.chat.ports import Bill, Memory, Models, Quarantine, Remembering, Summaries, Tokenizer, Wallet
from services.chat.window import weigh

# Figures of a provider that can be true are compared with ours in one turn of so many: counting takes time.
_COMPARED = 16

log = structlog.get_logger()

_STATES = {FinishReason.LENGTH: AnswerState.LENGTH}


@dataclass(frozen=True, slots=True)
class Closed:
    """How a turn was closed: what its answer used, what was charged, in micro-yuan, its messages' numbers, 0 if none.

    What is charged for is another matter where the cache answers.
    """

    usage: Usage
    charged_micros: int
    question_number: int = 0
    answer_number: int = 0


@dataclass(frozen=True, slots=True)
class Prepaid:
    """A turn that was paid for in advance, and what it was charged, in micro-yuan."""

    prepayment: Prepayment
    charged_micros: int


class Settlement:
    """Closes turns."""

    def __init__(
        self,
        *,
        models: Models,
        wallet: Wallet,
        memory: Memory,
        tokenizer: Tokenizer,
        quarantine: Quarantine,
        summaries: Summaries,
        cache_charge: Charge,
        new_run: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """Take the ports, and what an answer of the cache costs; `new_run` names a run as no other one."""
        self._models = models
        self._wallet = wallet
        self._memory = memory
        self._tokenizer = tokenizer
        self._quarantine = quarantine
        self._summaries = summaries
        self._cache_charge = cache_charge
        self._new_run = new_run
        self._turns = itertools.count()

    def prepayment(self, attempt: Attempt, answering: Answering) -> Prepayment | None:
        """What is paid for in advance, where it is known; None when it is not, and when the turn costs nothing."""
        if answering.usage is None or self._cache_charge is Charge.FREE:
            return None
        question, usage = attempt.question, answering.usage
        if self._cache_charge is Charge.QUESTION:
            usage = self._cached_usage(attempt.prompt.input_tokens)
        price = attempt.model.price or attempt.model.id
        return Prepayment(question.user_id, question.ledger_id, price, usage, self._new_run())

    def reserved_tokens(self, attempt: Attempt, source: Source) -> tuple[int, int] | None:
        """The most that a turn can use, question and answer; None when it takes place without the ledger."""
        prompt = attempt.prompt
        if source is Source.CACHE and self._cache_charge is Charge.FREE:
            return None
        if source is Source.CACHE and self._cache_charge is Charge.QUESTION:
            return prompt.input_tokens, 0
        return prompt.input_tokens, prompt.max_output_tokens

    async def close(
        self, attempt: Attempt, answering: Answering, outcome: Outcome, prepaid: Prepaid | None = None
    ) -> Closed:
        """Settle or release, unless it was paid for in advance, and remember.

        Raises:
            ServiceError: What was produced could not be charged; all else has been done.
        """
        usage = self._usage(attempt, answering.source) if prepaid is None else prepaid.prepayment.usage
        if prepaid is None:
            paying = self._charge(attempt, answering.source, usage, outcome)
        else:
            paying = self._kept_or_voided(attempt, prepaid, outcome)
        charging, remembering = await asyncio.gather(paying, self._remember(attempt, outcome), return_exceptions=True)
        if isinstance(charging, BaseException):
            raise charging
        if isinstance(remembering, BaseException):
            # No reason to call a whole answer an error.
            log.error("turn not remembered", request_id=attempt.question.request_id, exc_info=remembering)
            remembering = (0, 0)
        question_number, answer_number = remembering
        draft = attempt.draft
        # Lists that were changed while it was written have not seen all of it.
        if outcome is Outcome.COMPLETED and draft.screened_by <= {attempt.check.version}:
            reason = draft.finish_reason or FinishReason.STOP
            await answering.settled(KeptAnswer(joined(draft.shown), usage, charging, reason))
        answered = usage if answering.source is Source.MODEL else self._answered(attempt)
        return Closed(answered, charging, question_number, answer_number)

    async def close_lost(self, user_id: str, started: Started, text: str) -> None:
        """Close the turn of a process that died, by what was kept of it.

        Args:
            user_id: Who pays.
            started: How the turn began.
            text: Everything that was shown.

        Raises:
            ServiceError: It could not be closed now.
        """
        if started.prepayment is not None:
            if not text:
                await self._wallet.void(started.prepayment)
            return
        if started.source is Source.CACHE and self._cache_charge is Charge.FREE:
            return
        if not text:
            await self._wallet.release(user_id, started.ledger_id)
            return
        encoding = (await self._models.find(started.model)).encoding
        usage = Usage(started.input_tokens, self._tokenizer.count(text, encoding))
        if started.source is Source.CACHE and self._cache_charge is Charge.QUESTION:
            usage = self._cached_usage(started.input_tokens)
        await self._wallet.settle(Bill(user_id, started.ledger_id, usage, Outcome.FAILED, started.source))

    def _answered(self, attempt: Attempt) -> Usage:
        """What an answer used when it was made: it came with the answer, or is counted."""
        draft, prompt = attempt.draft, attempt.prompt
        if draft.reported is not None:
            return draft.reported
        counted = self._tokenizer.count("".join(draft.produced), attempt.model.encoding)
        return Usage(prompt.input_tokens, counted)

    def _cached_usage(self, input_tokens: int) -> Usage:
        if self._cache_charge is Charge.FREE:
            return Usage(0, 0)
        return Usage(input_tokens, 0, cached_input=input_tokens)

    async def _kept_or_voided(self, attempt: Attempt, prepaid: Prepaid, outcome: Outcome) -> int:
        """What was paid in advance stays paid when something was shown for it, or there was nothing to show."""
        if attempt.draft.shown or outcome is Outcome.COMPLETED:
            return prepaid.charged_micros
        await self._wallet.void(prepaid.prepayment)
        return 0

    async def _charge(self, attempt: Attempt, source: Source, usage: Usage, outcome: Outcome) -> int:
        question, draft = attempt.question, attempt.draft
        if self.reserved_tokens(attempt, source) is None:
            return 0
        lost = Usage(attempt.prompt.input_tokens * draft.lost_calls, 0) if draft.lost_calls else None
        if not any(draft.produced) and outcome is not Outcome.COMPLETED:
            if lost is None:
                await self._wallet.release(question.user_id, question.ledger_id)
                return 0
            # Nothing is owed, and yet something was spent.
            usage = Usage(0, 0)
        return await self._wallet.settle(Bill(question.user_id, question.ledger_id, usage, outcome, source, lost))

    async def _remember(self, attempt: Attempt, outcome: Outcome) -> tuple[int, int]:
        """The numbers of question and answer; nothing that was refused is remembered, nor an answer without a word."""
        question, draft = attempt.question, attempt.draft
        if not question.conversation_id or outcome is Outcome.REFUSED:
            return 0, 0
        message = draft.message(is_whole=outcome is Outcome.COMPLETED)
        if not message.content and outcome is not Outcome.COMPLETED:
            return 0, 0
        answer = weigh(message, attempt.model, self._tokenizer)
        asked = tuple(message for message in attempt.asked if message.role is not Role.SYSTEM) if attempt.is_new else ()
        state = AnswerState.INTERRUPTED
        if outcome is Outcome.COMPLETED:
            state = _STATES.get(draft.finish_reason or FinishReason.STOP, AnswerState.COMPLETE)
        new = Remembering(question.request_id, question.place, attempt.known, (*asked, answer), state, attempt.model.id)
        number = await self._memory.remember(question.user_id, question.conversation_id, new)
        self._summaries.fallen(
            question.user_id, question.conversation_id, attempt.known.summary, attempt.prompt.dropped
        )
        return (number - 1 if asked else attempt.asked_before), number

    def _usage(self, attempt: Attempt, source: Source) -> Usage:
        """What is charged for, by whoever answered; figures of a provider that cannot be true are set aside."""
        draft, prompt = attempt.draft, attempt.prompt
        if source is Source.CACHE and self._cache_charge is not Charge.FULL:
            return self._cached_usage(prompt.input_tokens)
        if draft.reported is not None and draft.is_believable(prompt, attempt.model) and next(self._turns) % _COMPARED:
            return draft.reported
        counted = self._tokenizer.count("".join(draft.produced), attempt.model.encoding)
        usage, set_aside = draft.usage(prompt, attempt.model, counted)
        if draft.reported is not None:
            ours = replace(usage, input=prompt.input_tokens, output=counted, cached_input=0)
            self._quarantine.compared(attempt.question, attempt.model, draft.reported, ours, set_aside=set_aside)
        return usage
