"""Asking a second provider when the first is late: when it is worth it, and who wins.

Source: Dean and Barroso, "The Tail at Scale" (2013): hedged requests, deferred to the 95th percentile.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from services.chat.upstreams.settings import HedgingSettings

# How many of the latest answers tell what is usual, and how many calls that were not asked twice may be made up for.
_SAMPLES_MAX = 200
_SAVED_MAX = 10.0

OpenedT = TypeVar("OpenedT")


class Hedging:
    """Knows how late is too late, by provider and model, and bounds how often both are asked. Pure."""

    def __init__(self, settings: HedgingSettings) -> None:
        """Begin without knowing anything."""
        self._settings = settings
        self._seconds: dict[tuple[str, str], deque[float]] = {}
        self._saved = 0.0

    def took(self, provider: str, model_id: str, seconds: float) -> None:
        """A first token took so long, or longer, had it not been outrun."""
        if self._settings.enabled:
            self._seconds.setdefault((provider, model_id), deque(maxlen=_SAMPLES_MAX)).append(seconds)

    def patience_s(self, provider: str, model_id: str) -> float | None:
        """Count a call; after how long to ask somebody else, the p95 of the latest. None: not in this call."""
        if not self._settings.enabled:
            return None
        self._saved = min(self._saved + self._settings.share_percent_max / 100, _SAVED_MAX)
        seconds = self._seconds.get((provider, model_id), ())
        if len(seconds) < self._settings.min_samples:
            return None
        return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]

    def spend(self) -> bool:
        """Whether one more call may be asked twice now."""
        # Sums of shares are not exact.
        if self._saved < 1 - 1e-9:
            return False
        self._saved -= 1
        return True


async def first_of(
    first: Callable[[], Coroutine[Any, Any, OpenedT]],
    second: Callable[[], Coroutine[Any, Any, OpenedT]],
    *,
    patience_s: float,
    discard: Callable[[OpenedT], Awaitable[None]],
) -> OpenedT:
    """Whichever opens first; the second begins when the first has neither opened nor failed in time.

    The loser is cancelled and has ended when this returns, as both have when this is cancelled.

    Args:
        first: Opens something.
        second: Opens another, or raises.
        patience_s: How long the first is waited for alone.
        discard: Closes what was opened too late; it may happen twice.

    Raises:
        Exception: What the first raised, when neither opens.
    """
    legs = [asyncio.create_task(first())]
    try:
        _, running = await asyncio.wait(legs, timeout=patience_s)
        if running:
            legs.append(asyncio.create_task(second()))
            running = set(legs)
        while running and not any(map(_opened, legs)):
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        winner = next(filter(_opened, legs), legs[0])
        await asyncio.shield(_end([leg for leg in legs if leg is not winner], discard))
    except asyncio.CancelledError:
        await asyncio.shield(_end(legs, discard))
        raise
    return winner.result()


def _opened(leg: asyncio.Task[OpenedT]) -> bool:
    return leg.done() and not leg.cancelled() and leg.exception() is None


async def _end(legs: list[asyncio.Task[OpenedT]], discard: Callable[[OpenedT], Awaitable[None]]) -> None:
    for leg in legs:
        leg.cancel()
    await asyncio.gather(*legs, return_exceptions=True)
    for leg in filter(_opened, legs):
        await discard(leg.result())
