"""The answer cache in a turn: who asks the model, what is given again, to whom, and what that costs."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.chat.answer_stream import AnswerStream
from services.chat.answers.domain import Charge, Found
from services.chat.answers.flights import Flight
from services.chat.domain import (
    CachePolicy,
    Chunk,
    Delta,
    Event,
    FinishReason,
    Message,
    Outcome,
    Question,
    Role,
    Source,
    Started,
    Usage,
)
from services.chat.errors import UpstreamError
from services.chat.verdicts import OutputPlan, Review
from tests.fakes.answer_streams import generated
from tests.fakes.turn_ports import chunk
from tests.fakes.turn_scene import HELLO, Scene, completed, failed, said

STOP = Chunk(finish_reason=FinishReason.STOP)


def asked(number: int, text: str = "hello", cache: CachePolicy = CachePolicy.USE) -> Question:
    return replace(
        HELLO, request_id=f"req_{number}", user_id=f"u{number}", messages=(Message(Role.USER, text),), cache=cache
    )


def source(events: Sequence[Event]) -> Source:
    started = events[0]
    assert isinstance(started, Started)
    return started.source


async def test_a_hundred_who_ask_the_same_cost_one_call_and_all_of_them_see_it_stream() -> None:
    scene = Scene([0.02, chunk("good "), 0.02, chunk("day"), STOP, Chunk(usage=Usage(8, 2))])
    turns = await asyncio.gather(*(one_of_many(scene, number) for number in range(100)))
    assert len(scene.upstream.prompts) == 1
    assert {said(events) for events in turns} == {"good day"}
    assert sorted(source(events) for events in turns) == [Source.CACHE] * 99 + [Source.MODEL]
    assert scene.answers.found.count(Found.FLIGHT) == 99


async def one_of_many(scene: Scene, number: int) -> list[Event]:
    events: list[Event] = []
    await scene.turns.run(asked(number), lambda event, position: events.append(event))
    await scene.background.drain()
    return events


async def test_an_answer_that_was_given_is_given_again_marked_and_without_a_call() -> None:
    scene = Scene([chunk("good day"), STOP])
    first = await scene.ask(asked(1))
    again = await scene.ask(asked(2))
    assert (said(again), source(first), source(again)) == ("good day", Source.MODEL, Source.CACHE)
    assert len(scene.upstream.prompts) == 1
    assert scene.answers.found == [Found.MISS, Found.REDIS]
    assert scene.answers.saved_micros == completed(first).charged_micros


@pytest.mark.parametrize(
    ("charge", "happened"),
    [
        (Charge.FREE, []),
        (Charge.QUESTION, [("charge", 11, 0)]),
        (Charge.FULL, [("charge", 8, 2)]),
    ],
)
async def test_what_an_answer_of_the_cache_costs_is_the_owners_choice(
    charge: Charge, happened: list[tuple[str, int, int]]
) -> None:
    scene = Scene([chunk("good day"), STOP, Chunk(usage=Usage(8, 2))], charge=charge)
    await scene.ask(asked(1))
    scene.wallet.happened.clear()
    end = completed(await scene.ask(asked(2)))
    assert scene.wallet.happened == happened
    # What the answer used is told as it was made, whatever it costs.
    assert (end.usage, end.charged_micros) == (Usage(8, 2), sum(sum(map(int, entry[1:])) for entry in happened))


async def test_whoever_cannot_pay_is_not_given_the_answer_either() -> None:
    scene = Scene([chunk("good day"), STOP])
    await scene.ask(asked(1))
    scene.wallet.affordable = False
    events = await scene.ask(asked(2))
    assert (said(events), failed(events).reason) == ("", "INSUFFICIENT_QUOTA")


async def test_what_the_lists_in_force_have_let_pass_is_not_screened_by_them_again() -> None:
    scene = Scene([chunk("good "), 0.01, chunk("day"), STOP])
    await scene.ask(asked(1))
    windows = len(scene.moderation.preceding)
    events = await scene.ask(asked(2))
    assert [event.piece.text for event in events if isinstance(event, Delta)] == ["good day"]
    assert len(scene.moderation.preceding) == windows


async def test_an_answer_that_is_reviewed_is_screened_again_for_what_the_lexicon_refers() -> None:
    scene = Scene([chunk("it is doubtful"), STOP], output=OutputPlan(Review.BESIDE, referred_only=True))
    scene.moderation.passage_verdict.set()
    await scene.ask(asked(1))
    assert said(await scene.ask(asked(2))) == "it is doubtful"
    assert scene.moderation.passages == ["it is doubtful"] * 2


async def test_an_answer_that_was_begun_under_other_lists_is_not_kept() -> None:
    scene = Scene([chunk("good "), 0.05, chunk("day"), STOP])
    turn = scene.begin()
    await scene.until("good ")
    scene.moderation.version = "v2"
    await turn
    assert scene.answers.kept == {}


async def test_nothing_is_given_from_the_cache_before_the_question_is_allowed() -> None:
    scene = Scene([chunk("good day"), STOP], review=Review.BESIDE)
    scene.moderation.question_verdict.set()
    await scene.ask(asked(1, "remote-yes"))
    scene.moderation.remote_word = "remote-yes"
    events = await scene.ask(asked(2, "remote-yes"))
    assert (said(events), failed(events).reason) == ("", "CONTENT_REFUSED")


async def test_a_refused_answer_is_not_kept() -> None:
    scene = Scene([chunk("it is forbidden"), STOP])
    assert failed(await scene.ask(asked(1))).reason == "CONTENT_REFUSED"
    assert scene.answers.kept == {}


@pytest.mark.parametrize("end", [Chunk(finish_reason=FinishReason.LENGTH), UpstreamError("broke off")])
async def test_half_an_answer_is_not_kept(end: Chunk | UpstreamError) -> None:
    scene = Scene([chunk("half"), end])
    await scene.ask(asked(1))
    assert scene.answers.kept == {}


async def test_other_word_lists_are_another_cache() -> None:
    scene = Scene([chunk("good day"), STOP])
    await scene.ask(asked(1))
    scene.moderation.version = "v2"
    await scene.ask(asked(2))
    assert len(scene.upstream.prompts) == 2


async def test_no_store_neither_takes_nor_leaves_anything() -> None:
    scene = Scene([chunk("good day"), STOP])
    await scene.ask(asked(1, cache=CachePolicy.NO_STORE))
    assert scene.answers.kept == {}
    await scene.ask(asked(2))
    await scene.ask(asked(3, cache=CachePolicy.NO_STORE))
    assert len(scene.upstream.prompts) == 3


async def test_a_refresh_asks_the_model_and_renews_what_is_kept() -> None:
    scene = Scene([chunk("old"), STOP])
    await scene.ask(asked(1))
    scene.upstream.script = [chunk("new"), STOP]
    assert said(await scene.ask(asked(2, cache=CachePolicy.REFRESH))) == "new"
    assert said(await scene.ask(asked(3))) == "new"


async def test_a_conversation_shares_its_first_question_and_no_other() -> None:
    scene = Scene([chunk("good day"), STOP])
    await scene.ask(replace(asked(1), conversation_id="c1"))
    await scene.ask(replace(asked(1), conversation_id="c1", request_id="second"))
    assert len(scene.upstream.prompts) == 2
    assert source(await scene.ask(replace(asked(2), conversation_id="c2"))) is Source.CACHE


async def test_whoever_asked_first_may_leave_and_pays_what_was_produced_until_then() -> None:
    scene = Scene([chunk("good "), 0.05, chunk("day"), STOP])
    first = asyncio.create_task(scene.turns.run(asked(1), scene.show))
    await scene.until("good ")
    second = asyncio.create_task(one_of_many(scene, 2))
    await asyncio.sleep(0.01)
    first.cancel()
    await first
    events = await second
    assert said(events) == "good day"
    assert len(scene.upstream.prompts) == 1
    assert ("settle", 11, 5, Outcome.CANCELLED) in scene.wallet.happened


async def test_the_model_stops_when_the_last_one_leaves() -> None:
    scene = Scene([chunk("good "), 30.0, STOP])
    turns = [asyncio.create_task(one_of_many(scene, number)) for number in range(3)]
    await asyncio.sleep(0.03)
    for turn in turns:
        turn.cancel()
    await asyncio.gather(*turns)
    assert scene.upstream.closed


async def test_a_call_that_failed_is_not_joined_and_everybody_who_waited_hears_of_it() -> None:
    scene = Scene([0.02, UpstreamError("down"), chunk("good day"), STOP])
    turns = await asyncio.gather(*(one_of_many(scene, number) for number in range(3)))
    assert [failed(events).reason for events in turns] == ["UPSTREAM_ERROR"] * 3
    assert said(await scene.ask(asked(9))) == "good day"


async def test_a_call_that_is_being_given_up_is_not_joined() -> None:
    closing = asyncio.Event()

    async def endless() -> AsyncGenerator[Chunk]:
        yield chunk("good ")
        await asyncio.sleep(30)

    @asynccontextmanager
    async def call() -> AsyncIterator[AnswerStream]:
        try:
            async with generated(endless()) as stream:
                yield stream
        finally:
            closing.set()
            await asyncio.sleep(0.05)

    flight = Flight(call)

    async def listen_once() -> None:
        async with flight.board(), flight.listen(pays_losses=True) as stream:
            assert await anext(stream) == chunk("good ")
            assert not flight.failed

    leaving = asyncio.create_task(listen_once())
    await closing.wait()
    assert flight.failed
    await leaving
