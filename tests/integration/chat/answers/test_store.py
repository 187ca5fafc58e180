"""Where answers are kept: this process, then Redis, each for its time."""

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sandbox.ports import free_ports
from services.chat.answers.domain import KeptAnswer
from services.chat.answers.store import TieredAnswerStore
from services.chat.domain import Piece, Usage
from services.runtime.redis import redis_client

ANSWER = KeptAnswer([Piece("七月初七")], Usage(8, 4), 12)


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def store(redis: redis.asyncio.Redis, clock: Clock | None = None, bytes_max: int = 10_000) -> TieredAnswerStore:
    return TieredAnswerStore(redis, ttl_s=300, local_bytes_max=bytes_max, clock=clock or Clock())


async def test_an_answer_is_found_here_at_once_and_at_other_replicas_through_redis(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as redis:
        here, there = store(redis), store(redis)
        await here.keep("k", ANSWER)
        assert here.local("k") == ANSWER
        assert there.local("k") is None
        assert await there.shared("k") == ANSWER
        assert there.local("k") == ANSWER
        assert 290 < await redis.ttl("chat:answer:k") <= 300


async def test_answers_leave_when_their_time_is_over(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as redis:
        clock = Clock()
        here = store(redis, clock)
        await here.keep("k", ANSWER)
        clock.now = 301
        assert here.local("k") is None


async def test_an_answer_that_is_about_to_leave_redis_does_not_live_on_in_a_process(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as redis:
        clock = Clock()
        await store(redis, clock).keep("k", ANSWER)
        clock.now = 200
        there = store(redis, clock)
        assert await there.shared("k") == ANSWER
        assert there.local("k") is None


async def test_the_process_keeps_so_many_bytes_and_the_latest(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as redis:
        here = store(redis, bytes_max=500)
        for number in range(50):
            await here.keep(str(number), ANSWER)
        assert here.local("49") == ANSWER
        assert here.local("0") is None
        assert await here.shared("0") == ANSWER


async def test_a_huge_answer_is_not_kept(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as redis:
        here = store(redis)
        await here.keep("k", KeptAnswer([Piece("长" * 30_000)], Usage(1, 1), 1))
        assert (here.local("k"), await here.shared("k")) == (None, None)


async def test_rubbish_in_redis_and_a_redis_that_is_away_are_misses(redis_database_url: str) -> None:
    async with redis_client(redis_database_url) as client:
        await client.set("chat:answer:k", b"\xc1rubbish")
        assert await store(client).shared("k") is None
    away = redis.asyncio.Redis(port=free_ports(1)[0], retry=Retry(NoBackoff(), 0))
    here = store(away)
    await here.keep("k", ANSWER)
    assert await here.shared("k") is None
    assert here.local("k") == ANSWER
    await away.aclose()
