"""The log of turns in Redis: one writer, followers anywhere, and the dead are buried once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sandbox.ports import free_ports
from services.chat.domain import Completed, Delta, Event, Failed, FinishReason, Piece, Started, Usage
from services.chat.errors import RequestConflictError, TurnNotFoundError
from services.chat.streams.domain import Claim, Entry, TurnKey
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.names import REPLICAS, all_turns, follows, stops, stream, turns
from services.chat.streams.recovery import Recovery
from services.runtime.errors import UnavailableError
from services.runtime.process import running
from services.runtime.redis import redis_client
from tests.cut_line import CutLine, cut_line

KEY = TurnKey("u", "r")
STARTED = Started("", "m", ledger_id="r", input_tokens=7)
DONE = Completed(FinishReason.STOP, Usage(1, 1), 2)
FREE = Failed(14, "UPSTREAM_BUSY", "busy", next_attempt=3)


@pytest.fixture
async def client(redis_database_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis_client(redis_database_url) as client:
        yield client


def log_of(client: redis.asyncio.Redis, replica: str = "a") -> RedisTurnLog:
    return RedisTurnLog(client, replica=replica, ttl_s=600)


def write(log: RedisTurnLog, *events: Event, key: TurnKey = KEY, begin: int = 0) -> None:
    position = begin
    for event in events:
        if isinstance(event, Delta):
            position += len(event.piece.text)
        log.append(key, Entry(position, event))


async def followed(log: RedisTurnLog, key: TurnKey = KEY) -> list[Event]:
    async with aclosing(log.follow(key)) as batches:
        return [entry.event async for batch in batches for entry in batch]


def text(events: Sequence[Event]) -> str:
    return "".join(event.piece.text for event in events if isinstance(event, Delta))


def delta(text: str) -> Delta:
    return Delta(Piece(text))


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


def cut_client(line: CutLine) -> redis.asyncio.Redis:
    """A client that tries nothing twice, so that what is lost is lost."""
    return redis.asyncio.from_url(line.url, protocol=3, retry=Retry(NoBackoff(), 0))


class Books:
    """Closes lost turns, on paper."""

    def __init__(self) -> None:
        self.closed: list[tuple[str, str, str]] = []
        self.away = False

    async def close(self, user_id: str, started: Started, text: str) -> None:
        if self.away:
            raise UnavailableError("billing is away")
        if started.ledger_id == "settled":
            raise RequestConflictError("it was settled with another figure")
        self.closed.append((user_id, started.ledger_id, text))


def recovery(client: redis.asyncio.Redis, replica: str, books: Books, stopped: list[TurnKey]) -> Recovery:
    def stop(key: TurnKey) -> bool:
        stopped.append(key)
        return True

    return Recovery(client, log_of(client, replica), books.close, replica=replica, stop=stop, dead_after_s=1)


async def buried(living: Recovery) -> None:
    """Let a replica live until it has known for long enough who does not, and has seen to them."""
    async with running(living.run()):
        await asyncio.sleep(2.5)


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
        dead_after_s=1,
        clock=lambda: now_s,
    )

    async def beats(after_s: float) -> list[str]:
        nonlocal now_s
        now_s += after_s
        return await living.beat()

    await other.beat()
    assert [await beats(0.4) for _ in range(4)] == [[]] * 4
    await asyncio.sleep(2.1)
    assert await beats(0.4) == ["a"]
    assert [await beats(after_s) for after_s in (2.1, 0.4, 0.4)] == [[]] * 3
    assert await beats(0.4) == ["a"]


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


async def test_a_replica_that_left_properly_is_nobodys_business(client: redis.asyncio.Redis) -> None:
    leaving, books = recovery(client, "a", Books(), []), Books()
    await leaving.beat()
    await leaving.leave()
    await buried(recovery(client, "b", books, []))
    assert await client.zrange(REPLICAS, 0, -1) == [b"b"]
