"""Verdicts that are known."""

import time

import pytest
from redis.asyncio import Redis

from services.moderation.domain import Layer, Opinion
from services.moderation.layers.cache import VerdictCache

pytestmark = pytest.mark.alone

REFUSED = Opinion(refused=True, label=20006, rule="violence", scores={"violence": 0.9}, flagged=("violence",))
TEXT = "一句只有用户知道的话"


def cache(redis: Redis, layer: Layer = Layer.OPENAI, *, version: str = "v1", ttl_s: float = 60) -> VerdictCache:
    return VerdictCache(redis, layer, settings_version=version, ttl_s=ttl_s)


async def test_a_verdict_is_known_to_every_replica(redis: Redis) -> None:
    first, second = cache(redis), cache(redis)
    assert await first.get(TEXT) is None
    first.put(TEXT, REFUSED)
    assert await first.get(TEXT) == REFUSED
    await first.aclose()
    assert await second.get(TEXT) == REFUSED


async def test_a_verdict_is_that_layers_under_those_settings_on_that_text(redis: Redis) -> None:
    first = cache(redis)
    first.put(TEXT, REFUSED)
    await first.aclose()
    assert await cache(redis, Layer.WECHAT).get(TEXT) is None
    assert await cache(redis, version="v2").get(TEXT) is None
    assert await cache(redis).get(TEXT + "。") is None


async def test_redis_never_sees_a_text(redis: Redis) -> None:
    first = cache(redis)
    first.put(TEXT, REFUSED)
    await first.aclose()
    (name,) = await redis.keys("*")
    stored = await redis.get(name)
    assert isinstance(name, bytes)
    assert isinstance(stored, bytes)
    assert TEXT.encode() not in name + stored
    assert TEXT not in (name + stored).decode("unicode_escape")


async def test_a_verdict_is_forgotten_everywhere_at_its_time(redis: Redis) -> None:
    now_s = time.monotonic()
    first = VerdictCache(redis, Layer.OPENAI, settings_version="v1", ttl_s=0.2, clock=lambda: now_s)
    first.put(TEXT, REFUSED)
    await first.aclose()
    (name,) = await redis.keys("*")
    assert 0 < await redis.pttl(name) <= 200
    await redis.delete(name)
    assert await first.get(TEXT) == REFUSED
    now_s += 0.3
    assert await first.get(TEXT) is None


async def test_no_time_is_no_cache(redis: Redis) -> None:
    none = cache(redis, ttl_s=0)
    none.put(TEXT, REFUSED)
    assert await none.get(TEXT) is None
    assert await redis.keys("*") == []


@pytest.mark.parametrize("stored", [b"", b"null", b"{}", b"[1]", b'{"refused":1}'])
async def test_what_cannot_be_understood_is_not_known(redis: Redis, stored: bytes) -> None:
    first = cache(redis)
    first.put(TEXT, REFUSED)
    await first.aclose()
    (name,) = await redis.keys("*")
    await redis.set(name, stored, px=60_000)
    assert await cache(redis).get(TEXT) is None


async def test_without_redis_a_replica_knows_what_it_learned_and_waits_for_nothing(no_redis: Redis) -> None:
    alone = cache(no_redis)
    assert await alone.get(TEXT) is None
    alone.put(TEXT, REFUSED)
    await alone.aclose()
    begin = time.monotonic()
    assert await alone.get(TEXT) == REFUSED
    assert await alone.get("another") is None
    assert time.monotonic() - begin < 0.05
