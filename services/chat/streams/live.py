"""A turn that runs in this process: a task of its own, which whoever listens may leave and come back to. Pure."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

import structlog

from services.chat.domain import Event, Failed
from services.chat.ports import Show
from services.chat.streams.domain import Entry, resumed, unbegun
from services.runtime.errors import Code

# A turn; it is given whom to tell of each event.
Run = Callable[[Show], Coroutine[Any, Any, None]]

# How often a turn that is followed elsewhere is asked after.
_LOOK_AGAIN_S = 1.0

# Nobody knows what it cost, so nobody may ask again under its name.
_BROKEN = Failed(Code.INTERNAL, "INTERNAL", "An unexpected error happened; it has been logged.")

log = structlog.get_logger()


class LiveTurn:
    """Keeps what happened while the turn runs, and stops it when nobody has listened for `grace_s`."""

    def __init__(
        self,
        run: Run,
        *,
        attempt: int,
        grace_s: float,
        timeout_s: float,
        is_followed: Callable[[], Awaitable[bool]],
        on_entry: Callable[[Entry], None],
    ) -> None:
        """Begin to run it.

        Args:
            run: The turn.
            attempt: Which attempt at its question it is.
            grace_s: How long it goes on while nobody listens.
            timeout_s: How long it may take.
            is_followed: Asks whether somebody listens elsewhere.
            on_entry: Told of every event.
        """
        self.fingerprint = ""
        self._attempt = attempt
        self._entries: list[Entry] = []
        self._listening: dict[Listening, Callable[[], None]] = {}
        self._stopping = False
        self._grace_s = grace_s
        self._is_followed = is_followed
        self._on_entry = on_entry
        loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(run))
        self._timeout = loop.call_later(timeout_s, self.stop)
        self._leaving: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the last event has happened."""
        return bool(self._entries) and self._entries[-1].is_end

    def stop(self) -> None:
        """Stop the model; what was produced is charged, and the turn completes as cancelled."""
        if not self.ended and not self._stopping:
            self._stopping = True
            self._task.cancel()

    async def wait(self) -> None:
        """Wait until it is over."""
        await asyncio.wait({self._task})

    def listen(self, after: int, on_news: Callable[[], None]) -> "Listening":
        """Listen from now on, behind a position, without a task; `on_news` is called at each event that is to come."""
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        listening = Listening(self, self._entries, after)
        self._listening[listening] = on_news
        return listening

    def unlisten(self, listening: "Listening", *, stop: bool) -> None:
        """One of those who listen leaves."""
        if self._listening.pop(listening, None) is not None:
            self.leave(stop=stop)

    async def follow(self, after: int, *, stop_on_leave: bool = False) -> AsyncGenerator[Entry]:
        """Every event after a position; see `resumed`. Whoever leaves early may be the one who stops the turn."""
        news = asyncio.Event()
        listening = self.listen(after, news.set)
        try:
            while True:
                news.clear()
                for entry in listening.take():
                    yield entry
                if listening.ended:
                    return
                if not listening.behind:
                    await news.wait()
        finally:
            listening.leave(stop=stop_on_leave)

    def leave(self, *, stop: bool) -> None:
        """Somebody has left, or never came: while nobody listens the turn stops, at once or after its grace."""
        if self._listening or self.ended:
            return
        if stop:
            self.stop()
        elif self._leaving is None:
            self._leaving = asyncio.create_task(self._left())

    async def _left(self) -> None:
        await asyncio.sleep(self._grace_s)
        while await self._is_followed():  # noqa: ASYNC110  # it is followed at another process
            await asyncio.sleep(max(self._grace_s, _LOOK_AGAIN_S))
        self.stop()

    async def _run(self, run: Run) -> None:
        try:
            await run(self._show)
        except asyncio.CancelledError:
            # Before its first step.
            self._show(unbegun(self._attempt), 0)
        except Exception as error:
            log.exception("turn failed unexpectedly", error=type(error).__name__)
            self._show(_BROKEN, 0)
        finally:
            self._timeout.cancel()
            if self._leaving is not None:
                self._leaving.cancel()

    def _show(self, event: Event, position: int) -> None:
        if self.ended:
            return
        last = self._entries[-1].position if self._entries else 0
        entry = Entry(max(position, last), event)
        self._entries.append(entry)
        self._on_entry(entry)
        for on_news in tuple(self._listening.values()):
            on_news()


class Listening:
    """Whoever listens to a turn without a task: told of news, they take it when they can."""

    def __init__(self, turn: LiveTurn, entries: list[Entry], after: int) -> None:
        """Listen to a turn that keeps these entries, behind a position."""
        self._turn = turn
        self._entries = entries
        self._after = self._reached = after
        self._seen = 0

    @property
    def behind(self) -> bool:
        """Whether something is to be taken."""
        return self._seen < len(self._entries)

    @property
    def ended(self) -> bool:
        """Whether the last event has been taken."""
        return self._turn.ended and not self.behind

    def take(self, before: float = math.inf) -> list[Entry]:
        """What is new, up to the first event that reaches a position or further; see `resumed`."""
        begin = self._seen
        while self._seen < len(self._entries) and self._reached < before:
            self._reached = max(self._reached, self._entries[self._seen].position)
            self._seen += 1
        return list(resumed(self._entries[begin : self._seen], self._after))

    def leave(self, *, stop: bool = False) -> None:
        """Listen no more; whoever is the last may be the one who stops the turn."""
        self._turn.unlisten(self, stop=stop)
