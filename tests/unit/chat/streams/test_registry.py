"""Turns that outlive their callers: left, found again, joined, replayed and stopped, without a word lost or doubled."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from services.chat.domain import Completed, Delta, Event, Failed, FinishReason, Piece, Question, Started, Usage
from services.chat.errors import RequestConflictError, TurnNotFoundError
from services.chat.ports import Show
from services.chat.streams.domain import Entry, TurnKey
from services.chat.streams.registry import TurnRegistry
from tests.fakes.turn_log import DictLog
from tests.fakes.turn_scene import HELLO

KEY = TurnKey(HELLO.user_id, HELLO.request_id)
DONE = Completed(FinishReason.STOP, Usage(1, 1), 2)
STOPPED = Completed(FinishReason.CANCELLED, Usage(1, 1), 2)
BUSY = Failed(14, "UPSTREAM_BUSY", "busy", next_attempt=3)


@dataclass
class Script:
    """Says one letter a step, each after a pause, then ends; a turn that is stopped says so."""

    letters: str = "abcdef"
    pause_s: float = 0.005
    end: Event = DONE
    asked: list[Question] = field(default_factory=list)

    async def run(self, question: Question, show: Show) -> None:
        self.asked.append(question)
        try:
            show(Started("", "m"), 0)
            for index, letter in enumerate(self.letters):
                await asyncio.sleep(self.pause_s)
                show(Delta(Piece(letter)), index + 1)
        except asyncio.CancelledError:
            show(STOPPED, 0)
        else:
            show(self.end, 0)


def registry(script: Script, log: DictLog, *, grace_s: float = 10, timeout_s: float = 10) -> TurnRegistry:
    return TurnRegistry(script, log, grace_s=grace_s, timeout_s=timeout_s)


async def opened(
    registry: TurnRegistry, question: Question = HELLO, fingerprint: str = "f"
) -> tuple[list[Entry], bool]:
    """The whole stream, and whether an earlier call had begun it."""
    events, replays = [], set()
    async with aclosing(registry.open(question, fingerprint)) as stream:
        async for entry, replayed in stream:
            events.append(entry)
            replays.add(replayed)
    assert len(replays) == 1
    return events, replays.pop()


async def resumed(registry: TurnRegistry, after: int) -> list[Entry]:
    return [entry async for entry in registry.resume(KEY, after)]


async def leave_after(registry: TurnRegistry, letters: int, *, stop: bool = False) -> int:
    """Read so many letters and leave; answers the position that was reached."""
    position = 0
    async with aclosing(registry.open(HELLO, "f", stop_on_leave=stop)) as stream:
        async for entry, _ in stream:
            position = entry.position
            if position >= letters:
                break
    return position


def text(entries: Sequence[Entry]) -> str:
    return "".join(entry.event.piece.text for entry in entries if isinstance(entry.event, Delta))


@pytest.mark.parametrize("letters", range(6))
@pytest.mark.parametrize("elsewhere", [False, True])
async def test_whoever_leaves_at_any_place_finds_the_rest_there_and_nothing_twice(
    letters: int, elsewhere: bool
) -> None:
    script, log = Script(), DictLog()
    here = registry(script, log)
    position = await leave_after(here, letters)
    again = registry(Script(), log) if elsewhere else here
    rest = await resumed(again, position)
    assert isinstance(rest[0].event, Started)
    assert text(rest) == "abcdef"[position:]
    assert rest[-1].event == DONE
    assert len(script.asked) == 1


async def test_a_finished_turn_is_replayed_whole_in_few_pieces_and_runs_once() -> None:
    script, log = Script(), DictLog()
    here = registry(script, log)
    first, replayed = await opened(here)
    assert (text(first), replayed) == ("abcdef", False)
    second, replayed = await opened(here)
    assert (text(second), replayed, len(script.asked)) == ("abcdef", True, 1)
    assert len(second) == 3
    assert await resumed(here, 6) == [second[0], second[-1]]


async def test_retries_of_a_running_turn_join_it_wherever_they_arrive() -> None:
    script, log = Script(), DictLog()
    here, there = registry(script, log), registry(script, log)
    streams = await asyncio.gather(opened(here), opened(here), opened(there))
    assert [text(entries) for entries, _ in streams] == ["abcdef"] * 3
    assert sorted(replayed for _, replayed in streams) == [False, True, True]
    assert len(script.asked) == 1


@pytest.mark.parametrize("finished", [False, True])
async def test_the_same_request_id_with_another_input_is_a_conflict(finished: bool) -> None:
    script, log = Script(), DictLog()
    here = registry(script, log)
    await (opened(here) if finished else leave_after(here, 1))
    for where in (here, registry(script, log)):
        with pytest.raises(RequestConflictError):
            await opened(where, fingerprint="other")


async def test_nobody_finds_a_turn_of_somebody_else() -> None:
    log = DictLog()
    here = registry(Script(), log)
    await leave_after(here, 2)
    other = TurnKey("somebody", KEY.request_id)
    with pytest.raises(TurnNotFoundError):
        await anext(here.resume(other, 0))
    with pytest.raises(TurnNotFoundError):
        await here.stop(other)
    # The same request_id of another user is another turn.
    assert text((await opened(here, replace(HELLO, user_id="somebody"), "other"))[0]) == "abcdef"


async def test_a_turn_that_nobody_comes_back_to_stops_after_its_grace() -> None:
    log = DictLog()
    here = registry(Script(pause_s=0.02), log, grace_s=0.03)
    await leave_after(here, 1)
    await asyncio.sleep(0.2)
    assert log.entries[KEY][-1].event == STOPPED
    assert text(await resumed(here, 0)) in ("ab", "abc")


async def test_a_turn_that_somebody_came_back_to_does_not_stop() -> None:
    log = DictLog()
    here = registry(Script(pause_s=0.02), log, grace_s=0.03)
    position = await leave_after(here, 1)
    assert text(await resumed(here, position)) == "bcdef"


async def test_a_turn_that_is_followed_at_another_replica_does_not_stop() -> None:
    log = DictLog()
    here, there = registry(Script(pause_s=0.02), log, grace_s=0.03), registry(Script(), log)
    position = await leave_after(here, 1)
    assert text(await resumed(there, position)) == "bcdef"


async def test_whoever_said_so_stops_the_turn_by_leaving() -> None:
    log = DictLog()
    here = registry(Script(pause_s=0.02), log)
    await leave_after(here, 1, stop=True)
    await asyncio.sleep(0.01)
    assert log.entries[KEY][-1].event == STOPPED


@pytest.mark.parametrize(("stop", "expected"), [(False, "abcdef"), (True, "")])
async def test_whoever_leaves_while_the_turn_is_claimed_leaves_a_turn_like_any_other(stop: bool, expected: str) -> None:
    script, log = Script(), DictLog(claim_s=0.02)
    here = registry(script, log, grace_s=5)
    asking = asyncio.create_task(leave_after(here, 3, stop=stop))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(2):
        while not log.entries.get(KEY) or not log.entries[KEY][-1].is_end:  # the log is no event
            await asyncio.sleep(0.01)
    assert text(log.entries[KEY]) == expected
    assert log.entries[KEY][-1].event == (STOPPED if stop else DONE)
    again, replayed = await opened(here)
    assert (text(again), replayed, len(script.asked)) == (expected, True, 1)


async def test_a_turn_that_nobody_waited_for_stops_after_its_grace() -> None:
    log = DictLog(claim_s=0.02)
    here = registry(Script(pause_s=0.05), log, grace_s=0.03)
    asking = asyncio.create_task(leave_after(here, 3))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.sleep(0.2)
    assert log.entries[KEY][-1].event == STOPPED


async def test_a_drain_waits_for_turns_that_are_being_claimed() -> None:
    log = DictLog(claim_s=0.05)
    here = registry(Script(pause_s=0.02), log)
    asking = asyncio.create_task(opened(here))
    await asyncio.sleep(0.01)
    await here.drain()
    assert log.entries[KEY][-1].is_end
    await asking


async def test_a_log_that_is_claimed_for_a_turn_that_runs_unkept_is_left_to_be_ended() -> None:
    log = DictLog(away=True, claim_s=0.01)
    here = registry(Script(pause_s=0.02), log)
    first = asyncio.create_task(opened(here))
    await asyncio.sleep(0.003)
    log.claim_s = 0.04
    second = asyncio.create_task(opened(here))
    await asyncio.sleep(0.02)
    log.away = False
    assert [text(entries) for entries, _ in await asyncio.gather(first, second)] == ["abcdef"] * 2
    assert (log.disowned, log.entries[KEY]) == ([KEY], [])


async def test_stopping_a_turn_ends_the_stream_of_whoever_listens_and_a_second_time_does_nothing() -> None:
    here = registry(Script(pause_s=0.02), DictLog())
    listening = asyncio.create_task(opened(here))
    await asyncio.sleep(0.03)
    assert await here.stop(KEY)
    entries, _ = await listening
    assert entries[-1].event == STOPPED
    assert not await here.stop(KEY)


async def test_a_turn_at_another_replica_is_stopped_by_leaving_word() -> None:
    log = DictLog()
    here, there = registry(Script(pause_s=0.02), log), registry(Script(), log)
    listening = asyncio.create_task(opened(here))
    await asyncio.sleep(0.03)
    assert await there.stop(KEY)
    here.stop_here(log.stops[0])
    assert (await listening)[0][-1].event == STOPPED


async def test_a_turn_that_failed_for_free_is_asked_again_under_a_new_name_in_the_ledger() -> None:
    log = DictLog()
    here = registry(Script("", end=BUSY), log)
    assert (await opened(here))[0][-1].event == BUSY
    again = Script()
    entries, replayed = await opened(registry(again, log), fingerprint="corrected")
    assert (text(entries), replayed, again.asked[0].attempt) == ("abcdef", False, 3)


async def test_a_turn_that_failed_after_its_first_word_is_replayed_with_its_error() -> None:
    log = DictLog()
    broken = Failed(14, "UPSTREAM_BUSY", "busy")
    here = registry(Script("ab", end=broken), log)
    await opened(here)
    entries, replayed = await opened(here)
    assert (text(entries), entries[-1].event, replayed) == ("ab", broken, True)


async def test_without_the_log_turns_run_all_the_same_and_stop_when_they_are_left() -> None:
    log = DictLog(away=True)
    here = registry(Script(pause_s=0.02), log)
    assert text((await opened(here))[0]) == "abcdef"
    await leave_after(here, 1)
    await asyncio.sleep(0.05)
    with pytest.raises(TurnNotFoundError):
        await resumed(here, 1)


async def test_a_turn_that_takes_too_long_is_stopped() -> None:
    here = registry(Script(pause_s=0.02), DictLog(), timeout_s=0.05)
    assert (await opened(here))[0][-1].event == STOPPED


async def test_a_turn_that_breaks_unexpectedly_ends_and_tells_nothing_of_why() -> None:
    class Broken(Script):
        async def run(self, question: Question, show: Show) -> None:
            raise ValueError("secret")

    end = (await opened(registry(Broken(), DictLog())))[0][-1].event
    assert isinstance(end, Failed)
    assert (end.reason, "secret" in end.message) == ("INTERNAL", False)


async def test_a_drain_ends_every_turn() -> None:
    log = DictLog()
    here = registry(Script(pause_s=0.02), log)
    await leave_after(here, 1)
    await here.drain()
    assert log.entries[KEY][-1].event == STOPPED
