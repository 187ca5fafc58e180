"""The remote layers beside the model: who waits for whom, and what is shown, taken back, or never shown."""

import asyncio
from collections.abc import Sequence

import pytest

from services.chat.domain import (
    Chunk,
    Completed,
    Delta,
    Event,
    FinishReason,
    Message,
    Options,
    Outcome,
    OutputPlan,
    Question,
    Review,
    Role,
    Started,
)
from services.chat.errors import ContentRefusedError, UpstreamError
from services.chat.pacing import Background, Pace
from services.chat.turn import Turns
from services.runtime.errors import Code, RemoteError, ServiceError
from tests.fakes.turn_ports import (
    CharacterTokenizer,
    DictMemory,
    OneModel,
    RecordingWallet,
    ScriptedUpstream,
    Waits,
    WordModeration,
)

STOP = Chunk(finish_reason=FinishReason.STOP)
UNAVAILABLE = RemoteError(Code.UNAVAILABLE, "MODERATION_UNAVAILABLE", "cannot judge")
BESIDE = OutputPlan(Review.BESIDE, passage_characters=6, overlap_characters=10)
BEFORE = OutputPlan(Review.BEFORE, passage_characters=6, overlap_characters=10)


class Scene:
    """A turn whose events are kept as they come, and whose end can be waited for."""

    def __init__(
        self,
        script: Sequence[Chunk | ServiceError | float],
        *,
        review: Review = Review.NONE,
        output: OutputPlan = OutputPlan(),  # noqa: B008  # frozen
    ) -> None:
        self.memory, self.wallet, self.upstream = DictMemory(), RecordingWallet(), ScriptedUpstream(script)
        self.moderation = WordModeration(review=review, output=output)
        self.waits, self.background = Waits(), Background()
        self.events: list[Event] = []
        self.turns = Turns(
            models=OneModel(),
            memory=self.memory,
            moderation=self.moderation,
            wallet=self.wallet,
            upstream=self.upstream,
            tokenizer=CharacterTokenizer(),
            pace=Pace(),
            background=self.background,
            metrics=self.waits,
        )

    def begin(self, text: str = "hello") -> asyncio.Task[None]:
        return asyncio.create_task(self.run(text))

    async def run(self, text: str = "hello") -> None:
        question = Question("req_1", "usr_1", "c1", "", (Message(Role.USER, text),), Options(), "openid")
        try:
            async for event in self.turns.run(question):
                self.events.append(event)  # what came before an error is what matters
        finally:
            await self.background.drain()

    async def until(self, said: str) -> None:
        async with asyncio.timeout(2):
            while self.said != said:
                await asyncio.sleep(0.001)

    @property
    def said(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Delta))

    @property
    def outcome(self) -> object:
        return self.wallet.happened[-1][-1]


async def settled(seconds: float = 0.03) -> None:
    """Let everything happen that can."""
    await asyncio.sleep(seconds)


async def test_the_model_writes_while_the_question_is_judged_and_nothing_is_shown_before() -> None:
    scene = Scene([Chunk("good "), 0.005, Chunk("day"), STOP], review=Review.BESIDE)
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
    scene = Scene([Chunk("good "), 30.0, STOP], review=Review.BESIDE)
    turn = scene.begin()
    await settled()
    scene.moderation.question_verdict.set()
    await scene.until("good ")
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)


async def test_a_verdict_that_is_faster_than_the_model_adds_nothing() -> None:
    scene = Scene([0.02, Chunk("good"), STOP], review=Review.BESIDE)
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
        with pytest.raises(ContentRefusedError) as caught:
            await turn
    assert caught.value.metadata == {"layer": "wechat", "label": "20002", "action": "block"}
    assert scene.upstream.closed
    assert (scene.said, scene.wallet.verbs, scene.memory.conversations) == ("", ["reserve", "release"], {})


async def test_a_question_refused_while_its_answer_is_held_shows_none_of_it_and_charges_what_was_produced() -> None:
    scene = Scene([Chunk("seven.."), 30.0, STOP], review=Review.BESIDE)
    turn = scene.begin("remote-no")
    await settled()
    scene.moderation.question_verdict.set()
    with pytest.raises(ContentRefusedError):
        await turn
    assert (scene.said, scene.outcome, scene.memory.conversations) == ("", Outcome.REFUSED, {})
    assert scene.wallet.happened[-1][:3] == ("settle", 15, 7)


async def test_a_question_judged_before_reaches_neither_wallet_nor_model_when_refused() -> None:
    scene = Scene([STOP], review=Review.BEFORE)
    scene.moderation.question_verdict.set()
    with pytest.raises(ContentRefusedError):
        await scene.run("remote-no")
    assert (scene.wallet.happened, scene.upstream.prompts) == ([], [])


async def test_a_question_judged_before_keeps_the_model_waiting() -> None:
    scene = Scene([Chunk("good"), STOP], review=Review.BEFORE)
    turn = scene.begin()
    await settled()
    assert scene.upstream.prompts == []
    scene.moderation.question_verdict.set()
    await turn
    assert scene.said == "good"


async def test_a_layer_that_must_not_be_missing_ends_the_turn_as_failed() -> None:
    scene = Scene([Chunk("good"), 30.0, STOP], review=Review.BESIDE)
    scene.moderation.unavailable = UNAVAILABLE
    turn = scene.begin()
    await settled()
    scene.moderation.question_verdict.set()
    with pytest.raises(RemoteError) as caught:
        await turn
    assert caught.value.wire_reason == "MODERATION_UNAVAILABLE"
    assert (scene.said, scene.outcome) == ("", Outcome.FAILED)


async def test_a_passage_refused_after_it_was_shown_is_taken_back_and_the_model_stops() -> None:
    scene = Scene([Chunk("remote-no;"), 30.0, STOP], output=BESIDE)
    turn = scene.begin()
    await scene.until("remote-no;")
    scene.moderation.passage_verdict.set()
    with pytest.raises(ContentRefusedError) as caught:
        await turn
    assert caught.value.metadata["action"] == "retract"
    assert scene.upstream.closed
    assert (scene.outcome, scene.memory.conversations) == (Outcome.REFUSED, {})


async def test_an_answer_is_complete_and_remembered_only_when_all_of_it_was_judged() -> None:
    scene = Scene([Chunk("good day. remote-no"), STOP], output=BESIDE)
    turn = scene.begin()
    await scene.until("good day. remote-no")
    await settled()
    assert not turn.done()
    assert scene.memory.conversations == {}
    scene.moderation.passage_verdict.set()
    with pytest.raises(ContentRefusedError) as caught:
        await turn
    assert caught.value.metadata["action"] == "retract"
    assert scene.memory.conversations == {}
    assert not any(isinstance(event, Completed) for event in scene.events)


async def test_passages_judged_before_are_shown_after_their_verdict_and_the_refused_one_never() -> None:
    scene = Scene([Chunk("good day; "), 0.2, Chunk("remote-no;"), 30.0, STOP], output=BEFORE)
    turn = scene.begin()
    await settled()
    assert scene.said == ""
    scene.moderation.passage_verdict.set()
    await scene.until("good day;")
    with pytest.raises(ContentRefusedError) as caught:
        await turn
    assert (scene.said, caught.value.metadata["action"]) == ("good day;", "block")


async def test_what_the_lexicon_did_not_refer_needs_no_verdict_when_only_referred_text_is_judged() -> None:
    plan = OutputPlan(Review.BEFORE, referred_only=True, passage_characters=8, overlap_characters=10)
    scene = Scene([Chunk("good;"), 0.01, Chunk("doubtful;"), 0.01, Chunk("end.;"), STOP], output=plan)
    turn = scene.begin()
    await scene.until("good;")
    await settled()
    assert scene.said == "good;"
    scene.moderation.passage_verdict.set()
    await turn
    assert scene.said == "good;doubtful;end.;"
    assert scene.moderation.passages == ["good;doubtful;"]


async def test_what_was_shown_before_the_model_failed_is_judged_all_the_same() -> None:
    scene = Scene([Chunk("remote-no"), UpstreamError("down")], output=BESIDE)
    scene.moderation.passage_verdict.set()
    with pytest.raises(ContentRefusedError) as caught:
        await scene.run()
    assert caught.value.metadata["action"] == "retract"
    scene = Scene([Chunk("good"), UpstreamError("down")], output=BESIDE)
    scene.moderation.passage_verdict.set()
    with pytest.raises(UpstreamError):
        await scene.run()
    assert (scene.said, scene.outcome) == ("good", Outcome.FAILED)


async def test_what_the_lexicon_refuses_follows_what_stood_before_it_once_that_is_allowed() -> None:
    scene = Scene([Chunk("it is forbidden"), STOP], review=Review.BESIDE, output=BESIDE)
    scene.moderation.passage_verdict.set()
    turn = scene.begin()
    await settled()
    assert scene.said == ""
    scene.moderation.question_verdict.set()
    with pytest.raises(ContentRefusedError) as caught:
        await turn
    assert (scene.said, caught.value.metadata["layer"], caught.value.metadata["action"]) == (
        "it is ",
        "lexicon",
        "block",
    )


async def test_a_user_who_leaves_while_verdicts_are_awaited_cancels_everything_and_leaves_nothing_running() -> None:
    scene = Scene([Chunk("seven.."), 30.0, STOP], review=Review.BESIDE, output=BESIDE)
    before = asyncio.all_tasks()
    turn = scene.begin()
    await settled()
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert scene.upstream.closed
    assert (scene.said, scene.outcome) == ("", Outcome.CANCELLED)


async def test_the_lexicon_is_told_the_last_256_characters_that_were_released() -> None:
    scene = Scene([Chunk("字" * 300), 0.01, Chunk("尾"), STOP])
    await scene.run()
    assert [len(preceding) for preceding in scene.moderation.preceding] == [0, 256]
