"""An answer that is kept is paid for before it is shown, in one write; whoever is shown nothing has paid nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.chat.answers.domain import Charge
from services.chat.domain import (
    Chunk,
    Event,
    FinishReason,
    Message,
    Outcome,
    Prepayment,
    Question,
    Role,
    Source,
    Started,
    Usage,
)
from services.chat.streams.domain import decode, encode
from services.chat.verdicts import OutputPlan, Review
from services.runtime.errors import UnavailableError
from tests.fakes.turn_ports import chunk
from tests.fakes.turn_scene import HELLO, Scene, completed, failed, said

STOP = Chunk(finish_reason=FinishReason.STOP)
ANSWER = [chunk("it is doubtful"), STOP, Chunk(usage=Usage(8, 2))]


def asked(number: int) -> Question:
    text = (Message(Role.USER, "remote-yes"),)
    return replace(HELLO, request_id=f"req_{number}", user_id=f"u{number}", messages=text)


async def kept(
    *,
    charge: Charge = Charge.QUESTION,
    review: Review = Review.NONE,
    output: OutputPlan = OutputPlan(),  # noqa: B008  # frozen
) -> Scene:
    """Somebody was given the answer, so that it is kept."""
    scene = Scene(ANSWER, charge=charge, review=review, output=output)
    scene.moderation.question_verdict.set()
    scene.moderation.passage_verdict.set()
    await scene.ask(asked(1))
    scene.wallet.happened.clear()
    scene.events.clear()
    return scene


def begun(events: Sequence[Event]) -> Started:
    started = events[0]
    assert isinstance(started, Started)
    return started


async def test_a_kept_answer_is_charged_before_it_is_shown_and_never_again() -> None:
    scene = await kept()
    scene.wallet.reserve_delay_s = 0.05
    asking = asyncio.create_task(scene.ask(asked(2)))
    await asyncio.sleep(0.02)
    assert scene.events == []
    events = await asking
    assert (said(events), completed(events).charged_micros) == ("it is doubtful", 16)
    assert scene.wallet.happened == [("charge", 16, 0)]


async def test_the_prepayment_is_kept_with_the_turn_and_is_another_one_in_every_run() -> None:
    scene = await kept()
    for _ in range(2):
        assert begun(await scene.ask(asked(2))).prepayment == scene.wallet.prepayments[-1]
    first, second = scene.wallet.prepayments
    assert first == Prepayment("u2", "req_2", "fake-model", Usage(16, 0, 16), first.run)
    assert replace(second, run=first.run) == first
    assert first.run != second.run


@pytest.mark.parametrize("charge", [Charge.QUESTION, Charge.FULL])
async def test_what_showed_nothing_before_it_was_refused_costs_nothing_and_may_be_asked_again(charge: Charge) -> None:
    scene = await kept(charge=charge, review=Review.BESIDE)
    scene.moderation.remote_word = "remote-yes"
    events = await scene.ask(asked(2))
    end = failed(events)
    assert (said(events), end.reason, end.charged_micros, end.next_attempt) == ("", "CONTENT_REFUSED", 0, 1)
    assert (scene.wallet.verbs, scene.wallet.prepayments) == (["charge", "void"], [])


async def test_what_was_stopped_before_it_showed_anything_costs_nothing() -> None:
    scene = await kept(review=Review.BESIDE)
    scene.moderation.question_verdict.clear()
    asking = asyncio.create_task(scene.ask(asked(2)))
    await asyncio.sleep(0.03)
    asking.cancel()
    assert completed(await asking).charged_micros == 0
    assert (scene.wallet.verbs, scene.wallet.prepayments) == (["charge", "void"], [])


@pytest.mark.parametrize(("charge", "cost"), [(Charge.QUESTION, 16), (Charge.FULL, 10)])
async def test_what_was_refused_midway_costs_what_was_charged(charge: Charge, cost: int) -> None:
    # What remote layers read is screened again, for what the lexicon refers.
    scene = await kept(charge=charge, output=OutputPlan(Review.BESIDE))
    scene.moderation.word = "doubtful"
    events = await scene.ask(asked(2))
    end = failed(events)
    assert (said(events), end.reason, end.charged_micros, end.next_attempt) == ("it is ", "CONTENT_REFUSED", cost, None)
    assert scene.wallet.verbs == ["charge"]


async def test_a_charge_whose_answer_was_lost_is_voided_and_nothing_is_shown() -> None:
    scene = await kept()
    scene.wallet.lost = True
    events = await scene.ask(asked(2))
    end = failed(events)
    assert (said(events), end.reason, end.charged_micros, end.next_attempt) == ("", "SERVICE_UNAVAILABLE", 0, 1)
    assert (scene.wallet.verbs, scene.wallet.prepayments) == (["charge", "void"], [])


async def test_whoever_leaves_while_billing_decides_has_paid_nothing() -> None:
    scene = await kept()
    scene.wallet.reserve_delay_s = 0.1
    asking = asyncio.create_task(scene.ask(asked(2)))
    await asyncio.sleep(0.03)
    asking.cancel()
    assert failed(await asking).charged_micros == 0
    assert (scene.wallet.verbs, scene.wallet.prepayments) == (["charge", "void"], [])


async def test_what_billing_refuses_is_not_voided() -> None:
    scene = await kept()
    scene.wallet.affordable = False
    assert failed(await scene.ask(asked(2))).reason == "INSUFFICIENT_QUOTA"
    assert scene.wallet.happened == []


async def test_who_joins_a_call_that_is_under_way_reserves_for_what_it_uses_is_not_known() -> None:
    scene = Scene([0.03, *ANSWER])
    asking = [asyncio.create_task(scene.ask(asked(number))) for number in (1, 2)]
    await asyncio.gather(*asking)
    assert sorted(map(str, scene.wallet.verbs)) == ["reserve", "reserve", "settle", "settle"]


async def test_the_lost_turn_of_a_process_that_died_keeps_its_charge_only_if_it_showed_something() -> None:
    scene = await kept()
    started = decode(encode(begun(await scene.ask(asked(2)))))
    assert isinstance(started, Started)
    assert started.source is Source.CACHE
    await scene.settlement.close_lost("u2", started, "it is")
    assert (scene.wallet.verbs, len(scene.wallet.prepayments)) == (["charge"], 1)
    await scene.settlement.close_lost("u2", started, "")
    assert (scene.wallet.verbs, scene.wallet.prepayments) == (["charge", "void"], [])


async def test_the_turn_of_a_process_that_died_which_joined_a_call_is_settled() -> None:
    scene = Scene([STOP])
    await scene.settlement.close_lost("u", Started("", "fake-model", Source.CACHE, "r", 7), "some text")
    assert scene.wallet.happened == [("settle", 7, 0, Outcome.FAILED)]


async def test_a_void_that_is_not_heard_is_no_charge_that_is_told() -> None:
    scene = await kept(review=Review.BESIDE)
    scene.moderation.remote_word = "remote-yes"

    async def away(prepayment: Prepayment) -> None:
        raise UnavailableError("away")

    scene.wallet.void = away  # type: ignore[method-assign]  # away
    end = failed(await scene.ask(asked(2)))
    assert (end.reason, end.charged_micros) == ("SERVICE_UNAVAILABLE", 0)
