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
    ) -> None:
        """Batch for `call`, which answers one result an item, in order.

        Args:
            call: Sends a batch.
            in_flight_max: How many calls may run at once.
            batch_max: How many items one call may carry.
        """
        self._call = call
        self._in_flight_max = in_flight_max
        self._batch_max = batch_max
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def submit(self, item: ItemT) -> ResultT:
        """Send one item with whatever else is waiting.

        Raises:
            Exception: Whatever `call` raised, for every item of its batch.
        """
        result: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        self._schedule()
        return await result

    def _schedule(self) -> None:
        # At the end of this turn of the event loop, so that everyone who woke in it is on board.
        if self._waiting and not self._scheduled and len(self._in_flight) < self._in_flight_max:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._depart)

    def _depart(self) -> None:
        self._scheduled = False
        batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
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
