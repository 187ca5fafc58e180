"""Delivers notices as WeChat does: a few seconds to answer, repeated on a schedule until accepted, never guaranteed.

Source: WeChat Pay's documents of notices (answer within 5 s; retries). What is on its way is forgotten by a restart.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.wechat.misbehaviour import Control, How
from sandbox.wechat.orders import now

if TYPE_CHECKING:
    import aiohttp

# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h on the platform's clock.
RETRY_AFTER_S = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)

_ANSWER_S = 5

_ATTEMPTS_MAX = 10_000

_DRIBBLE_S = 2.0
_DRIBBLES = 10


@dataclass(frozen=True)
class Message:
    """One HTTP request to the merchant."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Notice:
    """Something the merchant is to be told; every try is composed, and so signed, afresh."""

    out_trade_no: str
    # payment or refund.
    event: str
    # The number of the try, from 0.
    compose: Callable[[int], Message]
    # Whether an answer's status and body mean that the merchant took it.
    accepts: Callable[[int, bytes], bool]
    accepted: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Attempt:
    """One try, and what the merchant answered: an HTTP status, or 0 for no answer."""

    out_trade_no: str
    event: str
    at: datetime
    status: int
    accepted: bool


@dataclass
class Notifier:
    """Delivers while its `running` context is open."""

    control: Control
    # The latest, oldest first.
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_ATTEMPTS_MAX))
    _http: "aiohttp.ClientSession | None" = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _held_back: dict[str, list[Notice]] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold connections, and end everything that is on its way at the end."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._http is not None:
                await self._http.close()

    def soon(self, work: Coroutine[None, None, None]) -> None:
        """Do something in the background while we run."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def send(self, notice: Notice, how: How = How.NORMAL) -> None:
        """Tell the merchant, in this manner."""
        if how is How.REORDERED:
            self._held_back.setdefault(notice.out_trade_no, []).append(notice)
        elif how is not How.LOST:
            self.soon(self._deliver(notice, how))

    async def _deliver(self, notice: Notice, how: How) -> None:
        if how is How.LATE:
            await asyncio.sleep(self.control.settings.late_s)
        message = notice.compose(0)
        for number, wait_s in enumerate((0, *RETRY_AFTER_S)):
            await asyncio.sleep(wait_s / self.control.settings.clock_speed)
            message = notice.compose(number)
            taken = await self._post(notice, message, slowly=how is How.SLOW)
            if notice.event == "refund":
                for held_back in self._held_back.pop(notice.out_trade_no, []):
                    self.send(held_back)
            if taken:
                break
        if how is How.DUPLICATE:
            await self._post(notice, notice.compose(1))
        elif how is How.REPLAYED:
            await self._post(notice, message)

    async def _post(self, notice: Notice, message: Message, *, slowly: bool = False) -> bool:
        """Make one try; answers whether the merchant took it."""
        # With the first notice: many a stand-in starts, and few are paid at.
        import aiohttp

        if self._http is None:
            # Five seconds and not, as aiohttp would round it, up to six.
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_ANSWER_S, ceil_threshold=_ANSWER_S + 1)
            )
        headers = message.headers | {"Content-Length": str(len(message.body))}
        data = _dribble(message.body) if slowly else message.body
        try:
            async with self._http.post(message.url, data=data, headers=headers, allow_redirects=False) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            status, body = 0, b""
        taken = notice.accepts(status, body)
        self.attempts.append(Attempt(notice.out_trade_no, notice.event, now(), status, taken))
        if taken:
            notice.accepted()
        return taken


async def _dribble(body: bytes) -> AsyncIterator[bytes]:
    size = len(body) // _DRIBBLES + 1
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(_DRIBBLE_S / _DRIBBLES)
