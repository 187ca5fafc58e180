"""How a turn ends, and what whoever asked is told of it. Pure."""

import asyncio
from dataclasses import dataclass

from services.chat.attempt import Attempt
from services.chat.domain import Completed, Failed, FinishReason, Outcome, Question
from services.chat.settlement import Closed
from services.runtime.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended.

    `closed` is None when nobody knows whether it was charged; `stopped` says that somebody stopped it as it ended.
    """

    outcome: Outcome
    closed: Closed | None
    error: ServiceError | None = None
    stopped: bool = False

    def told(self, attempt: Attempt) -> Completed | Failed:
        """The turn's last event."""
        question, closed = attempt.question, self.closed
        if self.error is not None or closed is None:
            charged = 0 if closed is None else closed.charged_micros
            # What was produced may have been charged, also when that could not be heard.
            cost_nothing = not any(attempt.draft.produced) if closed is None else not charged
            again = cost_nothing and not attempt.draft.outline.position
            return failed(self.error or unexpected(), question, charged_micros=charged, again=again)
        reason = FinishReason.CANCELLED
        if self.outcome is Outcome.COMPLETED:
            reason = attempt.draft.finish_reason or FinishReason.STOP
        return Completed(
            reason,
            closed.usage,
            closed.charged_micros,
            question.ledger_id,
            closed.question_number,
            closed.answer_number,
            attempt.draft.logprobs_json if self.outcome is Outcome.COMPLETED else "",
        )


async def ended(closing: "asyncio.Task[Closed]", outcome: Outcome, error: ServiceError | None) -> Ending:
    """Wait for the end of what has to be finished: a turn that is stopped as it ends has ended."""
    stopped = False
    while not closing.done():
        try:
            await asyncio.wait({closing})
        except asyncio.CancelledError:
            uncancel()
            stopped = True
    try:
        return Ending(outcome, closing.result(), error, stopped)
    except ServiceError as unclosed:
        return Ending(outcome, None, unclosed, stopped)


def failed(error: ServiceError, question: Question, *, charged_micros: int = 0, again: bool = True) -> Failed:
    """A turn that ended with an error; `again` says that it cost and showed nothing, and may be asked again."""
    return Failed(
        error.wire_code,
        error.wire_reason,
        error.message,
        error.metadata,
        error.fields,
        error.retry_after_s,
        charged_micros,
        question.attempt + 1 if again else None,
    )


def unexpected() -> ServiceError:
    """What is said of a defect."""
    return ServiceError("An unexpected error happened; it has been logged.")


def uncancel() -> None:
    """The cancellation was for the answer; what is left to do is not cancelled."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
