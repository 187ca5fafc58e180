"""Which turns run in this replica, and which wait: bounded at every edge, and fair between users."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from services.gateway.admission.fair_queue import FairQueue, Ticket
from services.gateway.admission.metrics import AdmissionMetrics
from services.gateway.errors import QueueFullError, QueueTimeoutError, TooManyTurnsError

# Is told its position, 1 for the next to run, whenever that changes; at most this often.
OnPosition = Callable[[int], Awaitable[None]]
_TOLD_EVERY_S = 1.0

# How much the length of the turn that ended last counts in the average.
_RECENT = 0.05
_TURN_S_FIRST_GUESS = 10.0
_RETRY_AFTER_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica takes; all at least 1, but those that wait, which may be 0.

    `wait_s_max` is how long a turn may wait.
    """

    running_max: int
    running_per_user_max: int
    waiting_max: int
    waiting_per_user_max: int
    wait_s_max: float


class TurnScheduler:
    """Runs as many turns at once as there is capacity for; the next ones wait in fair order, the rest are refused."""

    def __init__(self, capacity: Capacity, metrics: AdmissionMetrics) -> None:
        """Schedule within this capacity."""
        self._capacity = capacity
        self._metrics = metrics
        self._clock = asyncio.get_running_loop().time
        self._running: Counter[str] = Counter()
        self._running_total = 0
        self._arriving = 0
        self._queue = FairQueue()
        self._grants: dict[Ticket, asyncio.Future[None]] = {}
        self._turn_s = _TURN_S_FIRST_GUESS

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """Inside, find out who asks for a turn, which has room kept for it meanwhile.

        So of a rush that arrives in one moment, what could neither run nor wait costs no more than its refusal.

        Raises:
            QueueFullError: There is no room.
        """
        free = self._capacity.running_max - self._running_total
        if self._arriving >= free + self._capacity.waiting_max - len(self._queue):
            raise self._refused()
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    @asynccontextmanager
    async def turn(self, user_id: str, *, weight: float, on_position: OnPosition | None = None) -> AsyncIterator[None]:
        """Run a turn inside, once it may.

        Raises:
            TooManyTurnsError: The user already has as many waiting as one user may.
            QueueFullError: As many wait as may altogether.
            QueueTimeoutError: It waited too long.
        """
        await self._admit(user_id, weight, on_position)
        begin = self._clock()
        try:
            yield
        finally:
            self._turn_s += _RECENT * (self._clock() - begin - self._turn_s)
            self._leave(user_id)

    async def _admit(self, user_id: str, weight: float, on_position: OnPosition | None) -> None:
        # Whoever waits while there is capacity waits for a turn of their own to end: nobody is overtaken.
        if self._has_capacity() and self._may_run(user_id):
            self._enter(user_id)
            self._metrics.wait_seconds.observe(0)
            return
        self._demand_waiting_room(user_id)
        ticket = self._queue.push(user_id, weight)
        granted = self._grants[ticket] = asyncio.get_running_loop().create_future()
        self._metrics.depth.set(len(self._queue))
        begin = self._clock()
        try:
            await self._wait(ticket, granted, begin + self._capacity.wait_s_max, on_position)
        except BaseException:
            if granted.done():
                self._leave(user_id)
            else:
                self._forget(ticket)
            raise
        self._metrics.wait_seconds.observe(self._clock() - begin)

    def _demand_waiting_room(self, user_id: str) -> None:
        if self._queue.waiting_of(user_id) >= self._capacity.waiting_per_user_max:
            self._metrics.refused.labels("user").inc()
            raise TooManyTurnsError(
                "Too many turns are running or waiting; wait for one to end.",
                metadata={"limit": str(self._capacity.running_per_user_max)},
                retry_after_s=1,
            )
        if len(self._queue) >= self._capacity.waiting_max:
            raise self._refused()

    async def _wait(
        self, ticket: Ticket, granted: "asyncio.Future[None]", deadline: float, on_position: OnPosition | None
    ) -> None:
        told = 0
        while True:
            position = self._queue.position(ticket)
            if on_position is not None and position != told:
                told = position
                await on_position(position)
            left_s = deadline - self._clock()
            if not granted.done() and left_s <= 0:
                self._metrics.refused.labels("deadline").inc()
                raise QueueTimeoutError("The turn waited too long for its place.", retry_after_s=self._retry_after_s())
            await asyncio.wait({granted}, timeout=min(_TOLD_EVERY_S, left_s))
            if granted.done():
                return

    def _has_capacity(self) -> bool:
        return self._running_total < self._capacity.running_max

    def _may_run(self, user_id: str) -> bool:
        return self._running[user_id] < self._capacity.running_per_user_max

    def _enter(self, user_id: str) -> None:
        self._running[user_id] += 1
        self._running_total += 1
        self._metrics.running.set(self._running_total)

    def _leave(self, user_id: str) -> None:
        self._running[user_id] -= 1
        self._running_total -= 1
        if not self._running[user_id]:
            del self._running[user_id]
        self._metrics.running.set(self._running_total)
        self._grant()

    def _grant(self) -> None:
        """Give free places to those who wait."""
        while self._has_capacity() and (ticket := self._queue.pop(self._may_run)) is not None:
            self._enter(ticket.user_id)
            self._grants.pop(ticket).set_result(None)
        self._metrics.depth.set(len(self._queue))

    def _forget(self, ticket: Ticket) -> None:
        del self._grants[ticket]
        self._queue.remove(ticket)
        self._metrics.depth.set(len(self._queue))

    def _refused(self) -> QueueFullError:
        self._metrics.refused.labels("full").inc()
        return QueueFullError("Everything is in use and the queue is full.", retry_after_s=self._retry_after_s())

    def _retry_after_s(self) -> float:
        """When those who wait now have probably been served, in seconds."""
        wait_s = self._turn_s * (len(self._queue) + 1) / self._capacity.running_max
        return min(max(wait_s, 1.0), _RETRY_AFTER_S_MAX)
