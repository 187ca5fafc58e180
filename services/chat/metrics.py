"""Prometheus metrics of turns."""

import time
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.chat.answers.domain import Found
from services.chat.domain import Completed, Delta, Event, Failed, FinishReason, Question
from services.chat.errors import ContentRefusedError
from services.chat.ports import Show
from services.chat.turn import Turns
from services.runtime.errors import FAULTS
from services.runtime.trace import exemplar

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 300)


class Outcome(StrEnum):
    """How a turn ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    REJECTED = "rejected"
    FAILED = "failed"


def _outcome(event: Completed | Failed) -> Outcome:
    if isinstance(event, Completed):
        return Outcome.CANCELLED if event.finish_reason is FinishReason.CANCELLED else Outcome.COMPLETED
    if event.reason == ContentRefusedError.reason:
        return Outcome.REFUSED
    return Outcome.FAILED if event.code in FAULTS else Outcome.REJECTED


class TurnMetrics:
    """What an operator asks about turns."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.live = Gauge("queqiao_turns_live", "Turns running now.", registry=registry)
        self.first_token_seconds = Histogram(
            "queqiao_first_token_seconds",
            "From a turn's arrival at the chat service to the first text of its answer.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.gap_seconds = Histogram(
            "queqiao_token_gap_seconds",
            "Between two pieces of text of one answer, as they are given to its reader.",
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60),
        )
        self.ended = Counter(
            "queqiao_turns",
            "Turns by how they ended: completed, cancelled (by the user), refused (by moderation), rejected (the "
            "user's own mistake, or an empty wallet), failed (ours, or a provider's).",
            ["outcome"],
            registry=registry,
        )
        for outcome in Outcome:
            self.ended.labels(outcome.value)
        self.tokens = Counter("queqiao_tokens", "Tokens of completed turns.", ["direction"], registry=registry)
        self.charged_micros = Counter("queqiao_charged_micro_yuan", "What turns were charged.", registry=registry)

        self.verdict_wait_seconds = Histogram(
            "queqiao_verdict_wait_seconds",
            "How long the first text of an answer was there before the verdict of remote layers on its question.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.refused = Counter(
            "queqiao_turns_refused",
            "Turns that moderation ended, by layer, and whether what had been shown was taken back (retract).",
            ["layer", "action"],
            registry=registry,
        )
        self.lookups = Counter(
            "queqiao_answer_cache_lookups",
            "Questions by where their answer was found: process, redis, flight (being given to somebody else), miss; "
            "bypass may share none.",
            ["found"],
            registry=registry,
        )
        self.saved_micros = Counter(
            "queqiao_answer_cache_saved_micro_yuan",
            "What the answers were charged, when the model wrote them, that the cache gave again.",
            registry=registry,
        )

    def waited(self, seconds: float) -> None:
        """The port `ReviewMetrics`."""
        self.verdict_wait_seconds.observe(seconds)

    def watched(self, show: Show) -> Show:
        """Measure a turn that begins now, and pass its events on."""
        begin = last = time.perf_counter()
        waiting = True
        # Events are shown by whoever holds the clock of all streams; here is the turn's own trace.
        trace = exemplar()

        def watch(event: Event, position: int) -> None:
            nonlocal waiting, last
            if isinstance(event, Delta):
                now = time.perf_counter()
                if waiting:
                    waiting = False
                    self.first_token_seconds.observe(now - begin, trace)
                else:
                    self.gap_seconds.observe(now - last)
                last = now
            elif isinstance(event, Completed):
                self.ended.labels(_outcome(event).value).inc()
                self.tokens.labels("input").inc(event.usage.input)
                self.tokens.labels("output").inc(event.usage.output)
                self.charged_micros.inc(event.charged_micros)
            elif isinstance(event, Failed):
                self.ended.labels(_outcome(event).value).inc()
                self.charged_micros.inc(event.charged_micros)
                if event.reason == ContentRefusedError.reason:
                    self.refused.labels(event.metadata["layer"], event.metadata["action"]).inc()
            show(event, position)

        return watch

    def looked_up(self, found: Found) -> None:
        """The port `AnswerMetrics`."""
        self.lookups.labels(found.value).inc()

    def saved(self, micros: int) -> None:
        """The port `AnswerMetrics`."""
        self.saved_micros.inc(micros)


class WatchedTurns:
    """Turns that are counted and timed."""

    def __init__(self, turns: Turns, metrics: TurnMetrics) -> None:
        """Measure these."""
        self._turns = turns
        self._metrics = metrics

    async def run(self, question: Question, show: Show) -> None:
        """Answer, event by event."""
        with self._metrics.live.track_inprogress():
            await self._turns.run(question, self._metrics.watched(show))
