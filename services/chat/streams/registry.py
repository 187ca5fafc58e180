"""Where turns are begun, found again and stopped. Pure."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from services.chat.domain import Question
from services.chat.errors import RequestConflictError, TurnNotFoundError
from services.chat.ports import Show
from services.chat.streams.distant import Distant
from services.chat.streams.domain import Entry, Listener, TurnKey, TurnLog, resumed
from services.chat.streams.live import LiveTurn


class Runner(Protocol):
    """Runs a turn."""

    async def run(self, question: Question, show: Show) -> None:
        """Answer, event by event."""
        ...


class TurnRegistry:
    """Runs turns as tasks of this process, keeps their events, and leads everyone to the turn they ask for."""

    def __init__(self, runner: Runner, log: TurnLog, *, grace_s: float, timeout_s: float) -> None:
        """Let a turn take `timeout_s`, and go on for `grace_s` while nobody listens."""
        self._runner = runner
        self._log = log
        self._grace_s = grace_s
        self._timeout_s = timeout_s
        self._live: dict[TurnKey, LiveTurn] = {}
        self._beginning: set[asyncio.Task[tuple[LiveTurn | None, bool]]] = set()

    async def open(
        self, question: Question, fingerprint: str, *, stop_on_leave: bool = False
    ) -> AsyncGenerator[tuple[Entry, bool]]:
        """The events of a turn, which this begins unless an earlier call did; and whether one did.

        Args:
            question: What is asked.
            fingerprint: Names the input: the same request_id with another one is a conflict.
            stop_on_leave: Whether the turn stops as soon as the caller leaves.

        Raises:
            RequestConflictError: The request_id was used for another input.
            ServiceError: As `TurnLog.follow`, for a turn that runs elsewhere.
        """
        key = TurnKey(question.user_id, question.request_id)
        live, replayed = await self._found(key, question, fingerprint, stop_on_leave=stop_on_leave)
        entries = self._elsewhere(key, 0) if live is None else live.follow(0, stop_on_leave=stop_on_leave)
        async with aclosing(entries):
            async for entry in entries:
                yield entry, replayed

    async def listen(
        self, question: Question, fingerprint: str, on_news: Callable[[], None], *, stop_on_leave: bool = False
    ) -> tuple[Listener, bool]:
        """As `open`, for somebody who listens without a task and is told of news; `stop_on_leave` until it is found.

        Raises:
            RequestConflictError: The request_id was used for another input.
        """
        key = TurnKey(question.user_id, question.request_id)
        live, replayed = await self._found(key, question, fingerprint, stop_on_leave=stop_on_leave)
        return self._listener(live, key, 0, on_news), replayed

    def listen_again(self, key: TurnKey, after: int, on_news: Callable[[], None]) -> Listener:
        """As `resume`, for somebody who listens without a task and is told of news."""
        return self._listener(self._live.get(key), key, after, on_news)

    async def resume(self, key: TurnKey, after: int) -> AsyncGenerator[Entry]:
        """The events of a turn after a position, `Started` always among them.

        Raises:
            TurnNotFoundError: There is none, or none any more.
            UnavailableError: The log does not answer.
        """
        live = self._live.get(key)
        entries = self._elsewhere(key, after) if live is None else live.follow(after)
        async with aclosing(entries):
            async for entry in entries:
                yield entry

    async def stop(self, key: TurnKey) -> bool:
        """Stop a turn, wherever it runs; answers whether it was running.

        Raises:
            TurnNotFoundError, UnavailableError: As `resume`.
        """
        live = self._live.get(key)
        if live is None:
            return await self._log.ask_to_stop(key)
        running = not live.ended
        live.stop()
        return running

    def stop_here(self, key: TurnKey) -> bool:
        """Stop a turn of this process, as another replica was asked to; whether it runs here."""
        if (live := self._live.get(key)) is None:
            return False
        live.stop()
        return True

    async def erase(self, user_id: str) -> None:
        """Stop the turns of a user, wherever they run, and forget what they said.

        Raises:
            UnavailableError: The log does not answer.
        """
        for key, live in tuple(self._live.items()):
            if key.user_id == user_id:
                live.stop()
        for key in await self._log.turns_of(user_id):
            if key not in self._live:
                with suppress(TurnNotFoundError):
                    await self._log.ask_to_stop(key)
            await self._log.forget(key)

    async def drain(self) -> None:
        """Stop whatever still runs, and wait for it; every turn ends, charged and marked."""
        await asyncio.gather(*self._beginning, return_exceptions=True)
        turns = tuple(self._live.values())
        for live in turns:
            live.stop()
        await asyncio.gather(*(live.wait() for live in turns))

    async def _found(
        self, key: TurnKey, question: Question, fingerprint: str, *, stop_on_leave: bool
    ) -> tuple[LiveTurn | None, bool]:
        """The turn if it runs here, which this begins unless an earlier call did; and whether one did.

        Raises:
            RequestConflictError: The request_id was used for another input.
        """
        live, replayed = self._live.get(key), True
        if live is None:
            # A claim is not to be called back: whoever leaves before it is answered leaves a turn like any other.
            beginning = asyncio.create_task(self._claimed(key, question, fingerprint))
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)
            try:
                live, begun = await asyncio.shield(beginning)
            except asyncio.CancelledError:
                beginning.add_done_callback(partial(_left, stop=stop_on_leave))
                raise
            replayed = not begun
        if live is not None and live.fingerprint != fingerprint:
            raise _conflict()
        return live, replayed

    def _listener(self, live: LiveTurn | None, key: TurnKey, after: int, on_news: Callable[[], None]) -> Listener:
        if live is None:
            return Distant(self._elsewhere(key, after), after, on_news)
        return live.listen(after, on_news)

    async def _claimed(self, key: TurnKey, question: Question, fingerprint: str) -> tuple[LiveTurn | None, bool]:
        """The turn if it runs here, and whether this began it.

        Raises:
            RequestConflictError: The request_id was used for another input, elsewhere.
        """
        claim = await self._log.claim(key, fingerprint)
        # Another call may have begun it while we asked.
        if (live := self._live.get(key)) is not None:
            if claim.mine:
                # That call's own claim did not arrive, so nobody writes this log.
                self._log.disown(key)
            return live, False
        if claim.mine:
            return self._begin(key, question, fingerprint, claim.attempt, kept=claim.kept), True
        if claim.fingerprint != fingerprint:
            raise _conflict()
        return None, False

    async def _elsewhere(self, key: TurnKey, after: int) -> AsyncGenerator[Entry]:
        """The events of a turn that runs at another replica, or is over."""
        async with aclosing(self._log.follow(key)) as batches:
            async for batch in batches:
                for entry in resumed(batch, after):
                    yield entry

    def _begin(self, key: TurnKey, question: Question, fingerprint: str, attempt: int, *, kept: bool) -> LiveTurn:
        question = replace(question, attempt=attempt)
        live = LiveTurn(
            partial(self._runner.run, question),
            attempt=attempt,
            grace_s=self._grace_s if kept else 0.0,
            timeout_s=self._timeout_s,
            is_followed=partial(self._log.is_followed, key),
            on_entry=self._keeper(key, kept=kept),
        )
        live.fingerprint = fingerprint
        self._live[key] = live
        return live

    def _keeper(self, key: TurnKey, *, kept: bool) -> Callable[[Entry], None]:
        def keep(entry: Entry) -> None:
            if kept:
                self._log.append(key, entry)
            if entry.is_end:
                del self._live[key]

        return keep


def _left(beginning: "asyncio.Task[tuple[LiveTurn | None, bool]]", *, stop: bool) -> None:
    """Whoever wanted a turn to begin has left."""
    if beginning.cancelled() or beginning.exception() is not None:
        return
    live, begun = beginning.result()
    if live is not None and begun:
        live.leave(stop=stop)


def _conflict() -> RequestConflictError:
    return RequestConflictError(
        "This request_id was used for another input: use a new one.", fields={"request_id": "was used before"}
    )
