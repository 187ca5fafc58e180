"""Work that must be finished although nobody waits for it."""

import asyncio

from services.chat.background import Background


async def test_background_work_outlives_whoever_started_it() -> None:
    background, done = Background(), []

    async def work() -> None:
        await asyncio.sleep(0.02)
        done.append(1)

    async def caller() -> None:
        await asyncio.shield(background.start(work()))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.005)
    task.cancel()
    await background.drain()
    assert done == [1]
