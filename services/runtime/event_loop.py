"""How late the event loop is: what every request of a process waits when the loop is busy or something blocks it."""

import asyncio

from prometheus_client import CollectorRegistry, Histogram

_EVERY_S = 0.25


class LoopLag:
    """Asks the loop to wake it now and then, and measures by how much it comes too late."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metric."""
        self._seconds = Histogram(
            "queqiao_event_loop_lag_seconds",
            "How late the event loop runs what is due, sampled four times a second.",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )

    async def run(self) -> None:
        """Measure again and again; run it as a task and cancel it."""
        clock = asyncio.get_running_loop().time
        while True:
            due_s = clock() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            # The loop's clock has whole milliseconds, so it may be a little early.
            self._seconds.observe(max(0.0, clock() - due_s))
