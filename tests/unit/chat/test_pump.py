"""The pump: the first words at once, then few wake-ups for everybody together, and nothing lost."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from services.chat.domain import Chunk, Delta, Event, FinishReason
from services.chat.draft import Draft
from services.chat.errors import UpstreamError
from services.chat.live_answer import LiveAnswer
from services.chat.ports import WINDOW_CHARACTERS_MAX, Window
from services.chat.pump import Pump
from services.chat.review import Reviewing
from services.chat.verdicts import InputCheck, OutputPlan, Review, Screened, Verdict
from services.runtime.errors import ServiceError, UnavailableError
from tests.fakes.answer_streams import GeneratedStream, generated
from tests.fakes.turn_ports import Waits, WordModeration, chunk
from tests.fakes.turn_scene import HELLO

STOP = Chunk(finish_reason=FinishReason.STOP)
CHECK = InputCheck(Verdict(refused=False), Review.NONE, OutputPlan(), "v1")


class CountingModeration(WordModeration):
    """Keeps how many windows each call had; a call waits for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: Exception | None = None

    async def screen(self, windows: Sequence[Window]) -> list[Screened]:
        self.calls.append(len(windows))
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return await super().screen(windows)


class FailingFor(CountingModeration):
    """Does not answer a call that has this text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    async def screen(self, windows: Sequence[Window]) -> list[Screened]:
        if any(window.text == self._text for window in windows):
            raise UnavailableError("moderation is away")
        return await super().screen(windows)


class Shown:
    """What was shown of one answer, and when, in ticks of the loop's clock."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.stream: GeneratedStream | None = None
        self.arrived = asyncio.Event()

    def show(self, event: Event, position: int) -> None:
        assert isinstance(event, Delta)
        self.texts.append(event.piece.text)
        self.arrived.set()


async def played(*steps: str | float | Chunk | Exception) -> AsyncGenerator[Chunk]:
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, Exception):
            raise step
        else:
            yield chunk(step) if isinstance(step, str) else step


async def pumped(pump: Pump, shown: Shown, *steps: str | float | Chunk | Exception) -> None:
    reviewing = Reviewing(WordModeration(), Waits(), HELLO, CHECK)
    async with reviewing, generated(played(*steps)) as stream:
        shown.stream = stream
        await pump.run(LiveAnswer(HELLO, Draft(), stream, reviewing, shown.show))


async def test_the_first_words_do_not_wait_for_the_clock() -> None:
    shown, pump = Shown(), Pump(CountingModeration(), tick_s=10)
    task = asyncio.create_task(pumped(pump, shown, "first", 30.0))
    async with asyncio.timeout(1):
        await shown.arrived.wait()
    assert shown.texts == ["first"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pump.live == 0


async def test_an_answer_that_is_whole_before_its_first_tick_does_not_wait_for_it() -> None:
    shown, pump = Shown(), Pump(CountingModeration(), tick_s=10)
    async with asyncio.timeout(1):
        await pumped(pump, shown, "first", 0.01, " and last", STOP)
    assert shown.texts == ["first", " and last"]


async def test_one_that_has_seen_a_tick_waits_for_the_next_and_its_end_costs_no_call_of_its_own() -> None:
    moderation = CountingModeration()
    pump, shown = Pump(moderation, tick_s=0.05), Shown()
    await pumped(pump, shown, "a", 0.07, "b", 0.01, "c", STOP)
    assert shown.texts == ["a", "bc"]
    assert moderation.calls == [1, 1]


async def test_what_arrives_between_two_ticks_is_one_text_and_nobody_looks_meanwhile() -> None:
    shown, pump = Shown(), Pump(CountingModeration(), tick_s=0.05)
    await pumped(pump, shown, "a", 0.01, "b", 0.001, "c", 0.001, "d", 0.2, "e", STOP)
    assert shown.texts == ["a", "bcd", "e"]
    assert shown.stream is not None
    assert shown.stream.looks <= 9


async def test_all_answers_share_a_call_of_moderation() -> None:
    moderation = CountingModeration()
    pump, all_shown = Pump(moderation, tick_s=0.02), [Shown() for _ in range(20)]
    steps = [step for _ in range(10) for step in ("x", 0.01)]
    await asyncio.gather(*(pumped(pump, shown, *steps, STOP) for shown in all_shown))
    assert {"".join(shown.texts) for shown in all_shown} == {"x" * 10}
    assert max(moderation.calls) == 20
    assert len(moderation.calls) < 20


async def test_many_answers_go_in_several_calls_and_a_call_that_fails_ends_its_own_alone() -> None:
    moderation = FailingFor("b")
    pump, turns = Pump(moderation, tick_s=0.02, together=2), [Shown() for _ in range(6)]
    last_words = ["a"] * 4 + ["b"] * 2
    results = await asyncio.gather(
        *(pumped(pump, shown, "xx", 0.01, last, STOP) for shown, last in zip(turns, last_words, strict=True)),
        return_exceptions=True,
    )
    assert max(moderation.calls) == 2
    assert [isinstance(result, ServiceError) for result in results] == [False] * 4 + [True] * 2
    assert ["".join(shown.texts) for shown in turns] == ["xxa"] * 4 + ["xx"] * 2


async def test_passes_never_overlap_and_whoever_becomes_due_goes_with_the_next() -> None:
    moderation = CountingModeration()
    moderation.gate.clear()
    pump, first, others = Pump(moderation, tick_s=0.005), Shown(), [Shown() for _ in range(3)]
    turns = [asyncio.create_task(pumped(pump, first, "a", STOP))]
    await asyncio.sleep(0.02)
    turns += [asyncio.create_task(pumped(pump, shown, "b", STOP)) for shown in others]
    await asyncio.sleep(0.02)
    assert moderation.calls == [1]
    moderation.gate.set()
    await asyncio.gather(*turns)
    assert moderation.calls == [1, 3]


async def test_an_answer_that_breaks_off_ends_alone_after_what_came_before() -> None:
    pump, broken, whole = Pump(CountingModeration(), tick_s=0.005), Shown(), Shown()
    error = UpstreamError("down")
    results = await asyncio.gather(
        pumped(pump, broken, "half", 0.01, " an", error),
        pumped(pump, whole, "a", 0.03, "ll", STOP),
        return_exceptions=True,
    )
    assert list(results) == [error, None]
    assert ("".join(broken.texts), "".join(whole.texts)) == ("half an", "all")


async def test_a_stream_that_stops_without_saying_why_is_no_whole_answer() -> None:
    with pytest.raises(UpstreamError):
        await pumped(Pump(CountingModeration(), tick_s=0.005), Shown(), "half")


async def test_a_window_that_no_peer_would_take_fails_its_own_answer_alone() -> None:
    moderation = CountingModeration()
    pump, whole = Pump(moderation, tick_s=0.005), Shown()
    results = await asyncio.gather(
        pumped(pump, Shown(), "x" * (WINDOW_CHARACTERS_MAX + 1), STOP),
        pumped(pump, whole, "fine", STOP),
        return_exceptions=True,
    )
    assert isinstance(results[0], UpstreamError)
    assert (results[1], whole.texts) == (None, ["fine"])


@pytest.mark.parametrize("failure", [UnavailableError("moderation is away"), ValueError("a defect")])
async def test_without_a_verdict_nothing_is_shown_and_later_answers_are_screened_again(failure: Exception) -> None:
    moderation = CountingModeration()
    pump, shown, later = Pump(moderation, tick_s=0.005), Shown(), Shown()
    moderation.fails = failure
    with pytest.raises(ServiceError):
        await pumped(pump, shown, "text", STOP)
    assert shown.texts == []
    moderation.fails = None
    await pumped(pump, later, "text", STOP)
    assert later.texts == ["text"]


async def test_leaving_while_a_verdict_is_awaited_leaves_nothing_behind() -> None:
    moderation = CountingModeration()
    moderation.gate.clear()
    pump, shown, other = Pump(moderation, tick_s=0.005), Shown(), Shown()
    turn = asyncio.create_task(pumped(pump, shown, "text", 30.0))
    await asyncio.sleep(0.02)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    moderation.gate.set()
    await pumped(pump, other, "fine", STOP)
    assert (shown.texts, other.texts, pump.live) == ([], ["fine"], 0)
