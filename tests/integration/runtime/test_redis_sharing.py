"""Commands that travel together on real Redis: in one write, each with its own answer, error and patience."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.runtime.redis import redis_client
from tests.frozen import own_redis


@pytest.fixture
async def redis(redis_database_url: str) -> AsyncIterator[Redis]:
    async with redis_client(redis_database_url) as redis:
        yield redis


async def test_what_is_asked_at_once_shares_a_connection_and_each_gets_its_own_answer(redis: Redis) -> None:
    await asyncio.gather(*(redis.set(f"n{number}", number) for number in range(50)))
    found = await asyncio.gather(*(redis.get(f"n{number}") for number in range(50)))
    assert found == [str(number).encode() for number in range(50)]
    (idle, _), (used, _) = redis.connection_pool.get_connection_count()
    assert (idle, used) == (1, 0)


async def test_what_is_asked_meanwhile_shares_the_next_write(redis: Redis) -> None:
    asked = []
    for number in range(30):
        asked.append(asyncio.ensure_future(redis.incr("count")))
        await asyncio.sleep(0 if number % 3 else 0.001)
    assert sorted(await asyncio.gather(*asked)) == list(range(1, 31))
    (idle, _), _ = redis.connection_pool.get_connection_count()
    assert idle <= 2


async def test_answers_are_understood_as_redis_py_does(redis: Redis) -> None:
    answered: list[Any] = await asyncio.gather(
        redis.set("text", "x", ex=60),
        redis.sadd("set", "a", "b"),
        redis.smembers("set"),
        redis.zadd("sorted", {"a": 1.5}),
        redis.zrange("sorted", 0, -1, withscores=True),
        redis.hmget("hash", ["absent"]),
        redis.config_get("maxmemory"),
    )
    assert answered[:4] == [True, 2, {b"a", b"b"}, 1]
    assert answered[5] == [None]
    assert await redis.zrange("sorted", 0, -1, withscores=True) == [[b"a", 1.5]]
    assert list(answered[6]) in (["maxmemory"], [b"maxmemory"])


async def test_an_error_is_that_of_its_own_command(redis: Redis) -> None:
    await redis.set("text", "no number")
    before, wrong, after = await asyncio.gather(
        redis.get("text"), redis.incr("text"), redis.exists("text"), return_exceptions=True
    )
    assert (before, after) == (b"no number", 1)
    assert isinstance(wrong, ResponseError)


async def test_whoever_stops_waiting_costs_the_others_nothing(redis: Redis) -> None:
    for _ in range(50):
        impatient = asyncio.ensure_future(redis.get("x"))
        others = [asyncio.ensure_future(redis.incr("x")) for _ in range(3)]
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(*others)
    assert await redis.get("x") == b"150"
    (idle, _), (used, _) = redis.connection_pool.get_connection_count()
    assert (idle, used) == (1, 0)


@pytest.mark.parametrize("steps", range(12))
async def test_what_is_under_way_when_the_client_closes_leaves_no_connection(
    redis_database_url: str, steps: int
) -> None:
    async with redis_client(redis_database_url) as redis:
        pool = redis.connection_pool
        asked = []
        # One after the other, so that the second needs a connection that is still to be made.
        for number in range(2):
            asked.append(asyncio.ensure_future(redis.set("x", number)))
            await asyncio.sleep(0)
        for _ in range(steps):
            await asyncio.sleep(0)
        for each in asked:
            each.cancel()
    await asyncio.sleep(0.05)
    known = [*pool._available_connections, *pool._in_use_connections]
    assert not [connection for connection in known if connection.is_connected]


async def test_a_script_is_sent_once_and_again_when_redis_has_forgotten_it() -> None:
    async with own_redis() as server, redis_client(server.url) as redis:
        script = "return {KEYS[1], ARGV[1]}"

        async def ran() -> Any:
            return await redis.eval(script, 1, "key", "7")

        async def calls() -> tuple[int, int]:
            stats: Any = await redis.info("commandstats")
            return stats.get("cmdstat_eval", {}).get("calls", 0), stats["cmdstat_evalsha"]["calls"]

        assert [await ran() for _ in range(3)] == [[b"key", b"7"]] * 3
        assert await calls() == (1, 3)
        await redis.script_flush()
        assert await ran() == [b"key", b"7"]
        assert await calls() == (2, 4)
