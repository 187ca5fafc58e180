"""Nagle's algorithm for calls: few calls in flight, and what arrives meanwhile shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Batcher(Generic[ItemT, ResultT]):
    """Turns single submissions into batched calls; an idle one delays nothing."""

    def __init__(
        self,
        call: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        in_flight_max: int,
        batch_max: int = 512,
        enough: int = 32,
    ) -> None:
        """Batch for `call`, which answers one result an item, in order.

        Args:
            call: Sends a batch.
            in_flight_max: How many calls may run at once.
            batch_max: How many items one call may carry.
            enough: How many items wait no longer for others: more on board would save hardly anything.
        """
        self._call = call
        self._in_flight_max = in_flight_max
        self._batch_max = batch_max
        self._enough = enough
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self._scheduled = False
        # Whether somebody who waits cannot wait any longer; else the alarm rings when that will be so.
        self._urgent = False
        self._alarm: asyncio.TimerHandle | None = None

    async def submit(self, item: ItemT, *, patience_s: float = 0) -> ResultT:
        """Send one item with whatever else is waiting.

        Args:
            item: What to send.
            patience_s: How long it may wait for others to travel with; it goes along with any that goes earlier.

        Raises:
            Exception: Whatever `call` raised, for every item of its batch.
        """
        result: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if patience_s > 0 and len(self._waiting) < self._enough:
            self._wait(patience_s)
        else:
            self._hurry()
        return await result

    async def drain(self) -> None:
        """Wait until nothing is under way; call it when nobody submits any more."""
        while self._scheduled or self._in_flight:
            await (asyncio.wait(self._in_flight) if self._in_flight else asyncio.sleep(0))

    def _wait(self, patience_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._alarm is not None:
            if self._alarm.when() <= loop.time() + patience_s:
                return
            self._alarm.cancel()
        self._alarm = loop.call_later(patience_s, self._hurry)

    def _hurry(self) -> None:
        self._urgent = True
        self._schedule()

    def _schedule(self) -> None:
        # At the end of this turn of the event loop, so that everyone who woke in it is on board.
        if self._urgent and not self._scheduled and len(self._in_flight) < self._in_flight_max:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._depart)

    def _depart(self) -> None:
        self._scheduled = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
        # Whoever did not get on board has waited long enough.
        self._urgent = bool(self._waiting)
        batch = [(item, result) for item, result in batch if not result.done()]
        if batch:
            task = asyncio.create_task(self._send(batch))
            self._in_flight.add(task)
            task.add_done_callback(self._landed)
        self._schedule()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._schedule()

    async def _send(self, batch: Sequence[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        try:
            answers = await self._call([item for item, _ in batch])
            answered = list(zip(batch, answers, strict=True))
        except BaseException as error:
            for _, result in batch:
                if not result.done():
                    result.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, result), answer in answered:
            if not result.done():
                result.set_result(answer)
