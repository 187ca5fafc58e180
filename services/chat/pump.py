"""Everything between the first and the last word, for all live answers of the process together. Pure.

Cost is per message and per wake-up, not per byte. So there is one clock: at each tick one pass takes what every answer
has received, has all of it screened in one call, and shows what was let pass. Between two ticks nothing wakes up. Only
the first words of an answer do not wait for the clock. Nobody sees 50 ms between words.
"""

import asyncio
from collections.abc import Iterable

import structlog

from services.chat.ending import unexpected
from services.chat.live_answer import LiveAnswer
from services.chat.ports import Moderation, Window
from services.runtime.errors import ServiceError

_TICK_S = 0.050

log = structlog.get_logger()


class Pump:
    """The clock of a process, and what happens at its ticks."""

    def __init__(self, moderation: Moderation, *, tick_s: float = _TICK_S) -> None:
        """Have answers screened here, every `tick_s`."""
        self._moderation = moderation
        self._tick_s = tick_s
        self._live: dict[LiveAnswer, None] = {}
        # Those of the next pass, which begins when the running one is over.
        self._due: dict[LiveAnswer, None] = {}
        self._pass: asyncio.Task[None] | None = None
        self._clock: asyncio.TimerHandle | None = None

    @property
    def live(self) -> int:
        """How many answers are being written."""
        return len(self._live)

    async def run(self, answer: LiveAnswer) -> None:
        """Take an answer in, from its first words on; returns when all of it was screened.

        Raises:
            ServiceError: It was refused, or broke off.
        """
        await answer.begun()
        self._live[answer] = None
        try:
            self._hurry(answer)
            if self._clock is None:
                self._clock = asyncio.get_running_loop().call_later(self._tick_s, self._tick)
            await answer.ended
        finally:
            del self._live[answer]
            self._due.pop(answer, None)

    def _hurry(self, answer: LiveAnswer) -> None:
        self._due[answer] = None
        self._begin()

    def _tick(self) -> None:
        self._clock = None
        if self._live:
            self._clock = asyncio.get_running_loop().call_later(self._tick_s, self._tick)
            self._due.update(self._live)
            self._begin()

    def _begin(self) -> None:
        # Whoever becomes due while a pass waits for moderation goes with the next one: they never overlap.
        if self._due and self._pass is None:
            self._pass = asyncio.create_task(self._take_all())
            self._pass.add_done_callback(self._passed)

    def _passed(self, task: asyncio.Task[None]) -> None:
        self._pass = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a pass failed unexpectedly", exc_info=error)
        self._begin()

    async def _take_all(self) -> None:
        due, self._due = self._due, {}
        windows = [(answer, window) for answer in due if (window := answer.take()) is not None]
        if not windows:
            return
        try:
            results = await self._moderation.screen([window for _, window in windows])
        except ServiceError as error:
            _break_off(windows, error)
        except Exception as error:
            log.exception("screening failed unexpectedly", error=type(error).__name__)
            _break_off(windows, unexpected())
        else:
            for (answer, window), result in zip(windows, results, strict=True):
                answer.screened(window, result)


def _break_off(windows: Iterable[tuple[LiveAnswer, Window]], error: ServiceError) -> None:
    for answer, _ in windows:
        answer.end(error)
