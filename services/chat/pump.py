"""Everything between the first and the last word, for all live answers of the process together. Pure.

Cost is per message and per wake-up, not per byte. So there is one clock: at each tick one pass takes what every answer
has received, has it screened in a few calls, and shows what was let pass. Between two ticks nothing wakes up. Only
the first words of an answer do not wait for the clock, nor does one that is whole before its first tick. Nobody sees
50 ms between words.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import structlog

from services.chat.ending import unexpected
from services.chat.live_answer import LiveAnswer
from services.chat.ports import Moderation, Window
from services.runtime.errors import ServiceError

_TICK_S = 0.050

# So many go in one call: while moderation screens some, the next are taken and the last are shown.
_TOGETHER = 32

log = structlog.get_logger()


class Pump:
    """The clock of a process, and what happens at its ticks."""

    def __init__(self, moderation: Moderation, *, tick_s: float = _TICK_S, together: int = _TOGETHER) -> None:
        """Have answers screened here, every `tick_s`, so many `together` in a call."""
        self._moderation = moderation
        self._tick_s = tick_s
        self._together = together
        self._live: dict[LiveAnswer, None] = {}
        # Those that no tick has seen yet: one that is whole by then need not wait for it.
        self._young: set[LiveAnswer] = set()
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
            self._young.add(answer)
            answer.when_whole(partial(self._hurry_young, answer))
            if self._clock is None:
                self._clock = asyncio.get_running_loop().call_later(self._tick_s, self._tick)
            await answer.ended
        finally:
            del self._live[answer]
            self._young.discard(answer)
            self._due.pop(answer, None)

    def _hurry(self, answer: LiveAnswer) -> None:
        self._due[answer] = None
        self._begin()

    def _hurry_young(self, answer: LiveAnswer) -> None:
        if answer in self._young:
            self._hurry(answer)

    def _tick(self) -> None:
        self._clock = None
        self._young.clear()
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
        due, self._due = tuple(self._due), {}
        if len(due) <= self._together:
            await self._take(due)
        else:
            parts = [due[start : start + self._together] for start in range(0, len(due), self._together)]
            await asyncio.gather(*map(self._take, parts))

    async def _take(self, due: Sequence[LiveAnswer]) -> None:
        windows = [(answer, window) for answer in due if (window := answer.take()) is not None]
        if not windows:
            return
        try:
            results = await self._moderation.screen([window for _, window in windows])
            for (answer, window), result in zip(windows, results, strict=True):
                answer.screened(window, result)
        except ServiceError as error:
            _break_off(windows, error)
        except Exception as error:
            log.exception("screening failed unexpectedly", error=type(error).__name__)
            _break_off(windows, unexpected())


def _break_off(windows: Iterable[tuple[LiveAnswer, Window]], error: ServiceError) -> None:
    for answer, _ in windows:
        answer.end(error)
