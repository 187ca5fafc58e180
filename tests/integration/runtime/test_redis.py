"""The Redis client: it hears a cancellation at any moment, and gives up on a Redis that is silent or gone."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from redis.exceptions import RedisError

from sandbox.ports import free_ports
from services.runtime.errors import StartupError
from services.runtime.redis import redis_client
from tests.frozen import own_redis

pytestmark = pytest.mark.xdist_group("clock")


async def test_a_cancellation_is_never_swallowed(redis_database_url: str) -> None:
    async def ask_again_and_again() -> None:
        while True:
            async with client.pipeline(transaction=False) as pipe:
                pipe.get("x")
                await pipe.execute()

    async with redis_client(redis_database_url) as client:
        for attempt in range(300):
            asking = asyncio.create_task(ask_again_and_again())
            await asyncio.sleep(attempt % 20 / 10_000)
            asking.cancel()
            _, running = await asyncio.wait({asking}, timeout=2)
            assert not running


async def test_a_redis_that_says_nothing_is_given_up() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(StartupError, match="does not answer"):
        async with redis_client(f"redis://127.0.0.1:{port}"):
            pass
    assert time.monotonic() - begin < 4
    for writer in held:
        writer.close()
    server.close()


async def test_a_redis_that_goes_is_given_up_at_once(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as client:
        pool = client.connection_pool
        await pool.disconnect()
        for connection in pool._available_connections:
            vars(connection)["port"] = free_ports(1)[0]
        begin = time.monotonic()
        for _ in range(10):
            with pytest.raises((RedisError, OSError)):
                await client.get("x")
        assert time.monotonic() - begin < 1


async def test_a_frozen_redis_costs_one_second_once_and_is_used_again_when_it_answers() -> None:
    async with own_redis() as server, redis_client(server.url) as client:
        await client.set("x", "1")
        with server.frozen():
            begin = time.monotonic()
            ends = await asyncio.gather(*(client.get("x") for _ in range(10)), return_exceptions=True)
            assert all(isinstance(end, RedisError) for end in ends)
            assert time.monotonic() - begin < 1.5
            begin = time.monotonic()
            for _ in range(50):
                with pytest.raises(RedisError):
                    await client.get("x")
                async with client.pipeline(transaction=False) as pipe:
                    pipe.get("x")
                    with pytest.raises(RedisError):
                        await pipe.execute()
            assert time.monotonic() - begin < 0.3
        async with asyncio.timeout(2):
            while True:
                try:
                    assert await client.get("x") == b"1"
                    break
                except RedisError:
                    await asyncio.sleep(0.05)


async def test_a_client_of_a_frozen_redis_closes_and_leaves_no_task_behind() -> None:
    async with own_redis() as server, AsyncExitStack() as frozen:
        async with redis_client(server.url) as client:
            frozen.enter_context(server.frozen())
            with pytest.raises(RedisError):
                await client.get("x")
            begin = time.monotonic()
        assert time.monotonic() - begin < 1
        assert not [task for task in asyncio.all_tasks() if "_probe" in repr(task)]


async def test_one_answer_that_was_late_is_asked_for_again_and_nobody_notices() -> None:
    async with own_redis() as server, redis_client(server.url) as client:
        await client.set("x", "1")
        with server.frozen():
            asking = asyncio.ensure_future(client.get("x"))
            await asyncio.sleep(0.6)
        assert await asking == b"1"
