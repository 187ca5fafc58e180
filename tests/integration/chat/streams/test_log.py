"""The log of turns in Redis: one writer, followers anywhere."""

import asyncio
from contextlib import suppress

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sandbox.ports import free_ports
from services.chat.domain import Started
from services.chat.errors import TurnNotFoundError
from services.chat.streams.domain import Claim
from services.chat.streams.names import follows, stream, turns
from services.chat.streams.recovery import Recovery
from services.runtime.errors import UnavailableError
from services.runtime.redis import redis_client
from tests.cut_line import cut_line
from tests.integration.chat.streams.logs import (
    DONE,
    FREE,
    KEY,
    STARTED,
    Books,
    delta,
    followed,
    log_of,
    text,
    write,
)


async def test_what_one_replica_writes_another_follows_to_the_end(client: redis.asyncio.Redis) -> None:
    here, there = log_of(client), log_of(client, "b")
    assert await here.claim(KEY, "f") == Claim(mine=True)
    write(here, STARTED, delta("鹊"))
    following = asyncio.create_task(followed(there))
    await asyncio.sleep(0.25)
    write(here, delta("桥"), DONE, begin=1)
    assert await following == [STARTED, delta("鹊"), delta("桥"), DONE]
    assert 500 < await client.ttl(stream(KEY)) <= 600
    assert await client.smembers(turns("a", KEY)) == set()


async def test_a_turn_is_claimed_once(client: redis.asyncio.Redis) -> None:
    claims = await asyncio.gather(*(log_of(client, str(n)).claim(KEY, "f") for n in range(20)))
    assert sorted(claim.mine for claim in claims) == [False] * 19 + [True]
    assert {claim.fingerprint for claim in claims if not claim.mine} == {"f"}


async def test_a_turn_that_ended_freely_is_claimed_anew_and_its_events_are_gone(client: redis.asyncio.Redis) -> None:
    log = log_of(client)
    await log.claim(KEY, "f")
    write(log, FREE)
    assert await followed(log) == [FREE]
    assert await log.claim(KEY, "other") == Claim(mine=True, attempt=3)
    write(log, STARTED, delta("now"), DONE)
    assert text(await followed(log)) == "now"
    assert not (await log.claim(KEY, "other")).mine


async def test_a_model_that_takes_over_starts_a_second_time(client: redis.asyncio.Redis) -> None:
    log = log_of(client)
    await log.claim(KEY, "f")
    second = Started("", "spare", ledger_id="r-1", attempt=1)
    write(log, STARTED, second, delta("x"), DONE)
    assert await followed(log) == [STARTED, second, delta("x"), DONE]


async def test_what_is_written_twice_because_an_answer_was_lost_is_there_once(client: redis.asyncio.Redis) -> None:
    log = log_of(client)
    await log.claim(KEY, "f")
    for _ in range(2):
        write(log, STARTED, delta("ab"))
        await log.flush()
    write(log, delta("c"), DONE, begin=2)
    assert text(await followed(log)) == "abc"


async def test_an_unknown_turn_and_one_that_vanished_are_not_found(client: redis.asyncio.Redis) -> None:
    log = log_of(client)
    with pytest.raises(TurnNotFoundError):
        await followed(log)
    with pytest.raises(TurnNotFoundError):
        await log.ask_to_stop(KEY)
    await log.claim(KEY, "f")
    following = asyncio.create_task(followed(log))
    await asyncio.sleep(0.15)
    await client.delete(stream(KEY))
    with pytest.raises(TurnNotFoundError):
        await following


async def test_a_follower_elsewhere_is_known_while_it_looks(client: redis.asyncio.Redis) -> None:
    here, there = log_of(client), log_of(client, "b")
    await here.claim(KEY, "f")
    assert not await here.is_followed(KEY)
    following = asyncio.create_task(followed(there))
    await asyncio.sleep(0.1)
    assert await here.is_followed(KEY)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    # A look that was under way may still arrive.
    async with asyncio.timeout(2):
        while await here.is_followed(KEY):
            await client.delete(follows(KEY))
            await asyncio.sleep(0.05)


async def test_while_redis_is_away_turns_are_ours_unkept_and_nobody_waits_long() -> None:
    away = redis.asyncio.Redis(port=free_ports(1)[0], retry=Retry(NoBackoff(), 0))
    log = log_of(away)
    assert await log.claim(KEY, "f") == Claim(mine=True, kept=False)
    assert not await log.is_followed(KEY)
    with pytest.raises(UnavailableError):
        await followed(log)
    await away.aclose()


async def test_a_claim_that_the_client_sends_twice_is_one_claim(
    client: redis.asyncio.Redis, redis_database_url: str
) -> None:
    async with cut_line(redis_database_url) as line, redis_client(line.url) as cut:
        log = log_of(cut)
        line.lose_answer(b"EVAL")
        assert await log.claim(KEY, "f") == Claim(mine=True)
        assert line.lost == 1
        write(log, FREE)
        await log.flush()
        line.lose_answer(b"EVAL")
        assert await log.claim(KEY, "f") == Claim(mine=True, attempt=3)
        assert not (await log.claim(KEY, "f")).mine


async def test_a_turn_that_is_forgotten_while_it_is_written_leaves_no_name_behind(client: redis.asyncio.Redis) -> None:
    log = log_of(client)
    living = Recovery(client, log, Books().close, replica="a", stop=lambda key: True, dead_after_s=1)
    await log.claim(KEY, "f")
    await log.forget(KEY)
    write(log, STARTED, DONE)
    await log.flush()
    for _ in range(2):
        await living.audit()
    assert (await client.exists(stream(KEY)), await client.smembers(turns("a", KEY))) == (0, set())
