"""A loop that is blocked is seen."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from services.runtime.event_loop import LoopLag


async def test_what_blocks_the_loop_is_measured() -> None:
    registry = CollectorRegistry()
    task = asyncio.create_task(LoopLag(registry).run())
    await asyncio.sleep(0.2)
    time.sleep(0.3)  # noqa: ASYNC251  # blocking the loop is the point
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert registry.get_sample_value("queqiao_event_loop_lag_seconds_count") == 1
    assert registry.get_sample_value("queqiao_event_loop_lag_seconds_sum") > 0.2  # type: ignore[operator]  # it is there
