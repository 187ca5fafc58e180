"""What is stopped through the log, whichever replica has the turn."""

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from services.chat.streams.domain import TurnKey
from services.chat.streams.names import stops
from services.chat.streams.recovery import Recovery
from tests.cut_line import cut_line
from tests.integration.chat.streams.logs import DONE, KEY, STARTED, Books, cut_client, log_of, recovery, write


async def test_a_replica_that_lives_hears_which_turns_to_stop(client: redis.asyncio.Redis) -> None:
    here, there = log_of(client), log_of(client, "b")
    await here.claim(KEY, "f")
    stopped: list[TurnKey] = []
    assert await there.ask_to_stop(KEY)
    living = recovery(client, "a", Books(), stopped)
    for _ in range(3):
        await living.beat()
    assert stopped == [KEY]
    write(here, STARTED, DONE)
    await here.flush()
    assert not await there.ask_to_stop(KEY)


async def test_no_stop_is_lost_with_the_answer_that_brought_it(
    client: redis.asyncio.Redis, redis_database_url: str
) -> None:
    await log_of(client).claim(KEY, "f")
    stopped: list[TurnKey] = []
    async with cut_line(redis_database_url) as line, cut_client(line) as cut:
        living = recovery(cut, "a", Books(), stopped)
        await living.beat()
        assert await log_of(client, "b").ask_to_stop(KEY)
        line.lose_answer(b"EVAL")
        with pytest.raises((RedisError, OSError)):
            await living.beat()
        assert (line.lost, stopped) == (1, [])
        await living.beat()
        assert stopped == [KEY]
        # That it was heeded is heard, and its answer lost: the next word about the same turn is another.
        line.lose_answer(b"EVAL")
        with pytest.raises((RedisError, OSError)):
            await living.beat()
        assert await client.llen(stops("a")) == 0
        assert await log_of(client, "b").ask_to_stop(KEY)
        await living.beat()
        assert stopped == [KEY, KEY]
        await living.beat()
        assert await client.llen(stops("a")) == 0


async def test_a_stop_that_comes_before_the_turn_has_begun_here_is_heard_again(client: redis.asyncio.Redis) -> None:
    await log_of(client).claim(KEY, "f")
    runs, now_s, heard = False, 0.0, 0

    def stop(key: TurnKey) -> bool:
        nonlocal heard
        heard += 1
        return runs

    living = Recovery(
        client, log_of(client), Books().close, replica="a", stop=stop, dead_after_s=1, clock=lambda: now_s
    )
    assert await log_of(client, "b").ask_to_stop(KEY)
    await living.beat()
    runs = True
    for _ in range(3):
        await living.beat()
    assert heard == 2
    # One about a turn that is over is not kept for ever.
    runs, heard = False, 0
    assert await log_of(client, "b").ask_to_stop(KEY)
    await living.beat()
    now_s = 5.1
    for _ in range(3):
        await living.beat()
    assert (heard, await client.llen(stops("a"))) == (2, 0)
