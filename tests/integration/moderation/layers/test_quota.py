"""What WeChat allows, over replicas."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from services.moderation.errors import LayerDownError
from services.moderation.layers.quota import Bucket, Quota

pytestmark = pytest.mark.alone

APPID = "wx1"


def quota(redis: Redis, *, per_minute: int = 100, per_day: int = 1000, share: float = 0.2) -> Quota:
    return Quota(redis, APPID, per_minute=per_minute, per_day=per_day, share_without_redis=share)


async def taken(quota: Quota, calls: int = 1) -> bool:
    try:
        await quota.take(calls)
    except LayerDownError:
        return False
    return True


@pytest.mark.parametrize("per_minute", [0.0, 1.0, 10.0, 100.0, 4000.0])
def test_bucket_and_refill_never_allow_more_than_the_limit_in_a_minute(per_minute: float) -> None:
    bucket = Bucket.of(per_minute)
    assert bucket.capacity + 60 * bucket.refill_per_s == pytest.approx(per_minute)


async def test_two_replicas_together_take_exactly_what_there_is(redis: Redis) -> None:
    # A refill of 1.5 a second: what is taken in a moment is the bucket, and at most one more.
    replicas = [quota(redis), quota(redis)]
    begin = time.monotonic()
    granted = sum(await asyncio.gather(*(taken(replicas[n % 2]) for n in range(200))))
    seconds = time.monotonic() - begin
    assert 10 <= granted <= 10 + 1.5 * seconds


async def test_the_bucket_refills_evenly(redis: Redis) -> None:
    first = quota(redis, per_minute=2000)
    assert sum(await asyncio.gather(*(taken(first) for _ in range(300)))) < 230
    begin = time.monotonic()
    await asyncio.sleep(0.2)
    granted = sum(await asyncio.gather(*(taken(first) for _ in range(100))))
    seconds = time.monotonic() - begin
    # 30 a second.
    assert 5 <= granted <= 1 + 30 * seconds


async def test_pieces_are_granted_all_or_none(redis: Redis) -> None:
    first = quota(redis)
    assert await taken(first, 6)
    assert not await taken(first, 6)
    assert await taken(first, 4)


async def test_the_day_is_counted_too(redis: Redis) -> None:
    replicas = [quota(redis, per_minute=10_000, per_day=7), quota(redis, per_minute=10_000, per_day=7)]
    assert sum(await asyncio.gather(*(taken(replicas[n % 2]) for n in range(20)))) == 7


async def test_a_day_ends_at_midnight_in_china(redis: Redis) -> None:
    first = quota(redis, per_day=1)
    assert await taken(first)
    assert not await taken(first)
    today = int((datetime.now(UTC) + timedelta(hours=8) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 86_400)
    key = f"moderation:wechat:{{{APPID}}}:day"
    assert int(await redis.hget(key, "day")) == today  # type: ignore[arg-type]  # it may be None for redis-py
    await redis.hset(key, "day", today - 1)
    assert await taken(first)


async def test_when_the_platform_says_enough_all_replicas_pause(redis: Redis) -> None:
    first, second = quota(redis), quota(redis)
    await first.exhausted()
    with pytest.raises(LayerDownError, match="quota"):
        await first.take(1)
    assert not await taken(second)
    pause = f"moderation:wechat:{{{APPID}}}:pause"
    assert 59_000 < await redis.pttl(pause) <= 60_000
    await redis.delete(pause)
    assert await taken(second)


async def test_the_pause_grows_while_the_platform_goes_on_saying_so(redis: Redis) -> None:
    now_s = 1000.0
    first = Quota(redis, APPID, per_minute=100, per_day=100, share_without_redis=1, clock=lambda: now_s)
    pauses = []
    for _ in range(8):
        await first.exhausted()
        pauses.append(round(await redis.pttl(f"moderation:wechat:{{{APPID}}}:pause") / 1000))
        now_s += 4000
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    first.answered()
    await first.exhausted()
    assert 59_000 < await redis.pttl(f"moderation:wechat:{{{APPID}}}:pause") <= 60_000


async def test_without_redis_a_replica_takes_its_share(no_redis: Redis) -> None:
    alone = quota(no_redis, per_minute=1000, share=0.2)
    # A fifth of a bucket of 100, and its refill of 3 a second.
    begin = time.monotonic()
    granted = sum(await asyncio.gather(*(taken(alone) for _ in range(60))))
    assert 20 <= granted <= 21 + 3 * (time.monotonic() - begin)


async def test_without_redis_and_with_no_share_nothing_is_taken(no_redis: Redis) -> None:
    assert not await taken(quota(no_redis, share=0))
