"""The remote layers beside the model: who waits for whom, and what is shown, taken back, or never shown."""

import asyncio

from services.chat.domain import Completed, FinishReason, Outcome, Started
from services.chat.errors import UpstreamError
from services.chat.verdicts import OutputPlan, Review
from services.runtime.errors import Code, RemoteError
from tests.fakes.turn_ports import chunk
from tests.fakes.turn_scene import Scene, failed

STOP = chunk(finish_reason=FinishReason.STOP)
UNAVAILABLE = RemoteError(Code.UNAVAILABLE, "MODERATION_UNAVAILABLE", "cannot judge")
BESIDE = OutputPlan(Review.BESIDE, passage_characters=6, overlap_characters=10)
BEFORE = OutputPlan(Review.BEFORE, passage_characters=6, overlap_characters=10)


async def settled(seconds: float = 0.03) -> None:
    """Let everything happen that can."""
    await asyncio.sleep(seconds)


async def test_the_model_writes_while_the_question_is_judged_and_nothing_is_shown_before() -> None:
    scene = Scene([chunk("good "), 0.005, chunk("day"), STOP], review=Review.BESIDE)
    turn = scene.begin()
    await settled()
    assert isinstance(scene.events[0], Started)
    assert (scene.said, len(scene.upstream.prompts)) == ("", 1)
    scene.moderation.question_verdict.set()
    await turn
    assert scene.said == "good day"
    assert isinstance(scene.events[-1], Completed)
    assert 0.01 < scene.waits.seconds[0] < 1


async def test_a_verdict_that_comes_while_the_model_is_silent_shows_what_is_there_at_once() -> None:
    scene = Scene([chunk("good "), 30.0, STOP], review=Review.BESIDE)
    turn = scene.begin()
    await settled()
    scene.moderation.question_verdict.set()
    await scene.until("good ")
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)


async def test_a_verdict_that_is_faster_than_the_model_adds_nothing() -> None:
    scene = Scene([0.02, chunk("good"), STOP], review=Review.BESIDE)
    scene.moderation.question_verdict.set()
    await scene.run()
    assert (scene.said, scene.waits.seconds) == ("good", [])


async def test_a_question_refused_beside_the_model_cancels_it_before_its_first_word_and_is_free() -> None:
    scene = Scene([30.0, STOP], review=Review.BESIDE)
    turn = scene.begin("remote-no")
    await settled()
    assert len(scene.upstream.prompts) == 1
    scene.moderation.question_verdict.set()
    async with asyncio.timeout(1):
        failure = failed(await turn)
    assert failure.metadata == {"layer": "wechat", "label": "20002", "action": "block"}
    assert scene.upstream.closed
    assert (scene.said, scene.wallet.verbs, scene.memory.conversations) == ("", ["reserve", "release"], {})


async def test_a_question_refused_while_its_answer_is_held_shows_none_of_it_and_charges_what_was_produced() -> None:
    scene = Scene([chunk("seven.."), 30.0, STOP], review=Review.BESIDE)
    turn = scene.begin("remote-no")
    await settled()
    scene.moderation.question_verdict.set()
    assert failed(await turn).reason == "CONTENT_REFUSED"
    assert (scene.said, scene.outcome, scene.memory.conversations) == ("", Outcome.REFUSED, {})
    assert scene.wallet.happened[-1][:3] == ("settle", 15, 7)


async def test_a_question_judged_before_reaches_neither_wallet_nor_model_when_refused() -> None:
    scene = Scene([STOP], review=Review.BEFORE)
    scene.moderation.question_verdict.set()
    assert failed(await scene.run("remote-no")).reason == "CONTENT_REFUSED"
    assert (scene.wallet.happened, scene.upstream.prompts) == ([], [])


async def test_a_question_judged_before_keeps_the_model_waiting() -> None:
    scene = Scene([chunk("good"), STOP], review=Review.BEFORE)
    turn = scene.begin()
    await settled()
    assert scene.upstream.prompts == []
    scene.moderation.question_verdict.set()
    await turn
    assert scene.said == "good"


async def test_a_layer_that_must_not_be_missing_ends_the_turn_as_failed() -> None:
    scene = Scene([chunk("good"), 30.0, STOP], review=Review.BESIDE)
    scene.moderation.unavailable = UNAVAILABLE
    turn = scene.begin()
    await settled()
    scene.moderation.question_verdict.set()
    failure = failed(await turn)
    assert failure.reason == "MODERATION_UNAVAILABLE"
    assert (scene.said, scene.outcome) == ("", Outcome.FAILED)


async def test_a_passage_refused_after_it_was_shown_is_taken_back_and_the_model_stops() -> None:
    scene = Scene([chunk("remote-no;"), 30.0, STOP], output=BESIDE)
    turn = scene.begin()
    await scene.until("remote-no;")
    scene.moderation.passage_verdict.set()
    failure = failed(await turn)
    assert failure.metadata["action"] == "retract"
    assert scene.upstream.closed
    assert (scene.outcome, scene.memory.conversations) == (Outcome.REFUSED, {})


async def test_an_answer_is_complete_and_remembered_only_when_all_of_it_was_judged() -> None:
    scene = Scene([chunk("good day. remote-no"), STOP], output=BESIDE)
    turn = scene.begin()
    await scene.until("good day. remote-no")
    await settled()
    assert not turn.done()
    assert scene.memory.conversations == {}
    scene.moderation.passage_verdict.set()
    failure = failed(await turn)
    assert failure.metadata["action"] == "retract"
    assert scene.memory.conversations == {}
    assert not any(isinstance(event, Completed) for event in scene.events)


async def test_passages_judged_before_are_shown_after_their_verdict_and_the_refused_one_never() -> None:
    scene = Scene([chunk("good day; "), 0.2, chunk("remote-no;"), 30.0, STOP], output=BEFORE)
    turn = scene.begin()
    await settled()
    assert scene.said == ""
    scene.moderation.passage_verdict.set()
    await scene.until("good day;")
    failure = failed(await turn)
    assert (scene.said, failure.metadata["action"]) == ("good day;", "block")


async def test_what_the_lexicon_did_not_refer_needs_no_verdict_when_only_referred_text_is_judged() -> None:
    plan = OutputPlan(Review.BEFORE, referred_only=True, passage_characters=8, overlap_characters=10)
    scene = Scene([chunk("good;"), 0.01, chunk("doubtful;"), 0.01, chunk("end.;"), STOP], output=plan)
    turn = scene.begin()
    await scene.until("good;")
    await settled()
    assert scene.said == "good;"
    scene.moderation.passage_verdict.set()
    await turn
    assert scene.said == "good;doubtful;end.;"
    assert scene.moderation.passages == ["good;doubtful;"]


async def test_what_was_shown_before_the_model_failed_is_judged_all_the_same() -> None:
    scene = Scene([chunk("remote-no"), UpstreamError("down")], output=BESIDE)
    scene.moderation.passage_verdict.set()
    failure = failed(await scene.run())
    assert failure.metadata["action"] == "retract"
    scene = Scene([chunk("good"), UpstreamError("down")], output=BESIDE)
    scene.moderation.passage_verdict.set()
    assert failed(await scene.run()).reason == "UPSTREAM_ERROR"
    assert (scene.said, scene.outcome) == ("good", Outcome.FAILED)


async def test_what_the_lexicon_refuses_follows_what_stood_before_it_once_that_is_allowed() -> None:
    scene = Scene([chunk("it is forbidden"), STOP], review=Review.BESIDE, output=BESIDE)
    scene.moderation.passage_verdict.set()
    turn = scene.begin()
    await settled()
    assert scene.said == ""
    scene.moderation.question_verdict.set()
    failure = failed(await turn)
    assert (scene.said, failure.metadata["layer"], failure.metadata["action"]) == (
        "it is ",
        "lexicon",
        "block",
    )


async def test_a_user_who_leaves_while_verdicts_are_awaited_cancels_everything_and_leaves_nothing_running() -> None:
    scene = Scene([chunk("seven.."), 30.0, STOP], review=Review.BESIDE, output=BESIDE)
    before = asyncio.all_tasks()
    turn = scene.begin()
    await settled()
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert scene.upstream.closed
    assert (scene.said, scene.outcome) == ("", Outcome.CANCELLED)


async def test_the_lexicon_is_told_the_last_256_characters_that_were_released() -> None:
    scene = Scene([chunk("字" * 300), 0.01, chunk("尾"), STOP])
    await scene.run()
    assert [len(preceding) for preceding in scene.moderation.preceding] == [0, 256]
