"""The turns of replicas that died or could not write are ended once, marked and charged."""

import asyncio

import redis.asyncio

from services.chat.domain import Event, Failed, Started
from services.chat.streams.domain import Claim, TurnKey
from services.chat.streams.names import REPLICAS, all_turns, stream, turns
from services.chat.streams.recovery import Recovery
from tests.cut_line import cut_line
from tests.integration.chat.streams.logs import (
    DONE,
    KEY,
    STARTED,
    Books,
    buried,
    cut_client,
    delta,
    followed,
    log_of,
    recovery,
    text,
    write,
)


async def test_a_dead_replicas_turns_are_ended_marked_and_charged_for_what_was_kept(
    client: redis.asyncio.Redis,
) -> None:
    dead, books = log_of(client, "dead"), Books()
    await recovery(client, "dead", books, []).beat()
    left: dict[str, list[Event]] = {
        "half": [STARTED, delta("half an answer")],
        "silent": [STARTED],
        "whole": [STARTED, DONE],
    }
    for name, events in left.items():
        await dead.claim(TurnKey("u", name), "f")
        write(dead, *events, key=TurnKey("u", name))
    await dead.claim(TurnKey("u", "unbegun"), "f")
    await dead.flush()
    following = asyncio.create_task(followed(log_of(client, "b"), TurnKey("u", "half")))
    living = recovery(client, "b", books, [])
    await buried(living)
    seen = await following
    assert text(seen) == "half an answer"
    assert isinstance(seen[-1], Failed)
    assert seen[-1].reason == "TURN_LOST"
    assert sorted(books.closed) == [("u", "r", ""), ("u", "r", "half an answer")]
    await buried(living)
    assert len(books.closed) == 2
    # The dead one was only slow: nobody hears what it says now.
    write(dead, delta(" more"), DONE, key=TurnKey("u", "half"), begin=14)
    await dead.flush()
    assert await followed(log_of(client), TurnKey("u", "half")) == seen


async def test_after_redis_was_away_nobody_counts_as_dead_before_they_could_say_that_they_live(
    client: redis.asyncio.Redis,
) -> None:
    now_s = 0.0
    other = recovery(client, "a", Books(), [])
    living = Recovery(
        client,
        log_of(client, "b"),
        Books().close,
        replica="b",
        stop=lambda key: True,
        # Redis counts whole seconds: of one that was just now it may say that it is a second ago.
        dead_after_s=2,
        clock=lambda: now_s,
    )

    async def beats(after_s: float) -> list[str]:
        nonlocal now_s
        now_s += after_s
        return await living.beat()

    await other.beat()
    assert [await beats(0.5) for _ in range(5)] == [[]] * 5
    await asyncio.sleep(3.1)
    assert await beats(0.5) == ["a"]
    assert [await beats(after_s) for after_s in (2.1, 0.5, 0.5, 0.5, 0.5)] == [[]] * 5
    assert await beats(0.5) == ["a"]


async def test_what_billing_could_not_close_is_closed_at_a_later_beat(client: redis.asyncio.Redis) -> None:
    dead, books = log_of(client, "dead"), Books()
    await recovery(client, "dead", books, []).beat()
    await dead.claim(KEY, "f")
    write(dead, STARTED, delta("x"))
    await dead.flush()
    books.away = True
    living = recovery(client, "b", books, [])
    await buried(living)
    assert books.closed == []
    books.away = False
    await buried(living)
    assert books.closed == [("u", "r", "x")]


async def test_a_turn_that_its_own_replica_had_settled_holds_up_no_other(client: redis.asyncio.Redis) -> None:
    dead, books = log_of(client, "dead"), Books()
    await recovery(client, "dead", books, []).beat()
    for number, ledger_id in enumerate(["settled", "open", "settled", "open"]):
        key = TurnKey("u", f"turn-{number}")
        await dead.claim(key, "f")
        write(dead, Started("", "m", ledger_id=ledger_id, input_tokens=7), delta("x"), key=key)
    await dead.flush()
    await buried(recovery(client, "b", books, []))
    assert books.closed == [("u", "open", "x")] * 2
    assert await client.zscore(REPLICAS, "dead") is None
    assert not await client.exists(*all_turns("dead"))


async def test_a_log_has_no_gap_and_an_end_however_long_redis_was_away_in_the_middle(
    client: redis.asyncio.Redis, redis_database_url: str
) -> None:
    async with cut_line(redis_database_url) as line, cut_client(line) as cut:
        log = log_of(cut)
        assert (await log.claim(KEY, "f")).kept
        write(log, STARTED, delta("a"))
        await log.flush()
        line.cut()
        # Longer than twenty attempts once took.
        for position, letter in enumerate("bcdef", start=1):
            write(log, delta(letter), begin=position)
            await asyncio.sleep(0.6)
        write(log, DONE, begin=6)
        line.mend()
        async with asyncio.timeout(5):
            events = await followed(log_of(client, "b"))
    assert (text(events), events[-1]) == ("abcdef", DONE)


async def test_a_log_whose_claim_was_not_heard_is_ended_by_the_replica_that_made_it(
    client: redis.asyncio.Redis, redis_database_url: str
) -> None:
    kept = TurnKey("u", "kept")
    async with cut_line(redis_database_url) as line, cut_client(line) as cut:
        log = log_of(cut)
        living = Recovery(cut, log, Books().close, replica="a", stop=lambda key: True, dead_after_s=1)
        await log.claim(kept, "f")
        line.lose_answer(b"EVAL")
        assert await log.claim(KEY, "f") == Claim(mine=True, kept=False)
        assert await client.exists(stream(KEY))
        following = asyncio.create_task(followed(log_of(client, "b")))
        await living.audit()
        assert not following.done()
        await living.audit()
        async with asyncio.timeout(2):
            (end,) = await following
        assert isinstance(end, Failed)
        assert (end.reason, end.next_attempt) == ("TURN_LOST", None)
        # What this replica writes it goes on writing.
        for _ in range(3):
            await living.audit()
        write(log, STARTED, DONE, key=kept)
        assert await followed(log_of(client, "b"), kept) == [STARTED, DONE]
        assert await client.smembers(turns("a", KEY)) == set()


async def test_a_log_that_redis_does_not_take_holds_up_no_other(client: redis.asyncio.Redis) -> None:
    log, spoilt = log_of(client), TurnKey("u", "spoilt")
    for key in (spoilt, KEY):
        await log.claim(key, "f")
    await client.delete(stream(spoilt))
    await client.set(stream(spoilt), "no stream")
    for event in (STARTED, DONE):
        write(log, event, key=spoilt)
        write(log, event)
        await asyncio.sleep(0.15)
    async with asyncio.timeout(2):
        assert [*await followed(log)][-1] == DONE
    assert (log.writes(KEY), log.writes(spoilt)) == (False, True)
    # What waits is written when it is taken again.
    await client.delete(stream(spoilt))
    async with asyncio.timeout(3):
        await log.flush()
    assert log.is_written


async def test_a_replica_that_leaves_ends_the_logs_that_it_claimed_in_vain(
    client: redis.asyncio.Redis, redis_database_url: str
) -> None:
    async with cut_line(redis_database_url) as line, cut_client(line) as cut:
        log = log_of(cut)
        leaving = Recovery(cut, log, Books().close, replica="a", stop=lambda key: True, dead_after_s=1)
        await leaving.beat()
        line.lose_answer(b"EVAL")
        await log.claim(KEY, "f")
        await leaving.leave()
    (end,) = await followed(log_of(client))
    assert isinstance(end, Failed)
    assert await client.zscore(REPLICAS, "a") is None


async def test_what_a_replica_could_not_write_before_it_ended_is_ended_by_others(
    client: redis.asyncio.Redis, redis_database_url: str
) -> None:
    books = Books()
    async with cut_line(redis_database_url) as line, cut_client(line) as cut:
        log = log_of(cut, "a")
        leaving = Recovery(cut, log, books.close, replica="a", stop=lambda key: True, dead_after_s=1)
        await leaving.beat()
        await log.claim(KEY, "f")
        write(log, STARTED, delta("kept"))
        await asyncio.sleep(0.25)
        line.cut()
        write(log, delta(" lost"), DONE, begin=4)
        async with asyncio.timeout(4):
            await log.flush()
        assert not log.is_written
        # The line is there again for its last word; it does not say that nothing is left.
        line.mend()
        await leaving.leave()
    await buried(recovery(client, "b", books, []))
    assert books.closed == [("u", "r", "kept")]
    assert (await followed(log_of(client)))[-1] != DONE


async def test_a_replica_that_left_properly_is_nobodys_business(client: redis.asyncio.Redis) -> None:
    leaving, books = recovery(client, "a", Books(), []), Books()
    await leaving.beat()
    await leaving.leave()
    await buried(recovery(client, "b", books, []))
    assert await client.zrange(REPLICAS, 0, -1) == [b"b"]
