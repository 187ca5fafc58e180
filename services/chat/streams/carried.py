"""One turn of an exchange: what is new of it, and no more than its caller can take."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.chat.domain import Failed, Question
from services.chat.streams.domain import Entry, Listener, TurnKey, failure
from services.chat.streams.registry import TurnRegistry
from services.runtime.item_calls import ItemCall

# How far an answer is sent beyond what was acknowledged: what chat.proto says.
WINDOW = 4096


@dataclass(frozen=True, slots=True)
class News:
    """What is new of a turn; the last of it has `ended`, with the `error` if there was one: TimeoutError, too late."""

    entries: Sequence[Entry]
    replayed: bool
    ended: bool
    error: Exception | None


class Carried:
    """A turn that is carried, from the caller's asking until its last news or until the caller leaves."""

    def __init__(self, call: ItemCall, on_news: Callable[[], None], *, timeout_s: float) -> None:
        """Carry what this call will ask, for so long at most unless that is 0; `on_news` says that there is some."""
        self._call = call
        self._on_news = on_news
        self._listener: Listener | None = None
        self._opening: asyncio.Task[None] | None = None
        self._replayed = True
        self._stop_on_leave = False
        self._before = WINDOW
        self._error: Exception | None = None
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(timeout_s, self.fail, TimeoutError()) if timeout_s else None

    def begin(self, registry: TurnRegistry, question: Question, fingerprint: str, *, stop_on_leave: bool) -> None:
        """Begin the turn, or join it."""
        self._stop_on_leave = stop_on_leave
        opening = self._begin(registry, question, fingerprint)
        self._opening = asyncio.get_running_loop().create_task(opening, context=self._call.context)

    def resume(self, registry: TurnRegistry, key: TurnKey, after: int) -> None:
        """Go on with the turn behind a position."""
        self._before = after + WINDOW
        self._listener = self._call.context.run(partial(registry.listen_again, key, after, self._on_news))
        self._on_news()

    def acknowledge(self, position: int) -> None:
        """The caller has taken everything up to a position."""
        if position + WINDOW > self._before:
            self._before = position + WINDOW
            self._on_news()

    def fail(self, error: Exception) -> None:
        """It ends with this error."""
        self._error = error
        self._on_news()

    def take(self) -> News | None:
        """What is new and may be sent; None when that is nothing."""
        entries: Sequence[Entry] = ()
        error, ended = self._error, self._error is not None
        if self._listener is not None and not ended:
            try:
                entries = self._listener.take(self._before)
                ended = self._listener.ended
            except Exception as raised:  # noqa: BLE001  # whatever it is, it ends this turn alone, and is told
                error, ended = raised, True
        if entries and isinstance(end := entries[-1].event, Failed):
            error = failure(end)
        if ended:
            self._release()
            self._call.end(error)
        return News(entries, self._replayed, ended, error) if ended or entries else None

    def leave(self, *, stop: bool) -> None:
        """The caller is gone; with `stop`, because it said so."""
        self._release(stop=stop and self._stop_on_leave)
        self._call.leave()

    def _release(self, *, stop: bool = False) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._opening is not None:
            self._opening.cancel()
        if self._listener is not None:
            self._listener.leave(stop=stop)

    async def _begin(self, registry: TurnRegistry, question: Question, fingerprint: str) -> None:
        try:
            self._listener, self._replayed = await registry.listen(
                question, fingerprint, self._on_news, stop_on_leave=self._stop_on_leave
            )
        except Exception as error:  # noqa: BLE001  # as in `take`
            self.fail(error)
        else:
            self._on_news()
