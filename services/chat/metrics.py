"""Prometheus metrics of turns."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.chat.domain import Completed, Delta, Event
from services.chat.errors import ContentRefusedError

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 300)


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
        self.tokens = Counter("queqiao_tokens", "Tokens of completed turns.", ["direction"], registry=registry)
        self.charged_micros = Counter(
            "queqiao_charged_micro_yuan", "What completed turns were charged.", registry=registry
        )

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

    def waited(self, seconds: float) -> None:
        """The port `ReviewMetrics`."""
        self.verdict_wait_seconds.observe(seconds)

    async def observe(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """Pass a turn's events on, and measure."""
        begin = time.perf_counter()
        first = True
        with self.live.track_inprogress(), self._refusals():
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Delta) and first:
                        first = False
                        self.first_token_seconds.observe(time.perf_counter() - begin)
                    elif isinstance(event, Completed):
                        self.tokens.labels("input").inc(event.usage.input)
                        self.tokens.labels("output").inc(event.usage.output)
                        self.charged_micros.inc(event.charged_micros)
                    yield event

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except ContentRefusedError as error:
            self.refused.labels(error.metadata["layer"], error.metadata["action"]).inc()
            raise
