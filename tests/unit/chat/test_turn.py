"""One turn: what it says, what it remembers, and what it costs, however it ends."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

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
    Question,
    Role,
    Started,
    Usage,
)
from services.chat.errors import ContentRefusedError, ModelNotFoundError, UpstreamError
from services.chat.pacing import Background, Pace
from services.chat.turn import Turns
from services.runtime.errors import ServiceError
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


class Scene:
    """A turn's surroundings."""

    def __init__(self, script: Sequence[Chunk | ServiceError | float]) -> None:
        self.memory = DictMemory()
        self.wallet = RecordingWallet()
        self.upstream = ScriptedUpstream(script)
        self.background = Background()
        self.turns = Turns(
            models=OneModel(),
            memory=self.memory,
            moderation=WordModeration(),
            wallet=self.wallet,
            upstream=self.upstream,
            tokenizer=CharacterTokenizer(),
            pace=Pace(),
            background=self.background,
            metrics=Waits(),
        )

    async def run(self, text: str = "hello", conversation_id: str = "", model: str = "") -> list[Event]:
        question = Question("req_1", "usr_1", conversation_id, model, (Message(Role.USER, text),), Options())
        try:
            return [event async for event in self.turns.run(question)]
        finally:
            await self.background.drain()


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def test_an_answer_is_streamed_settled_and_completed_with_the_providers_usage() -> None:
    scene = Scene([Chunk("good "), Chunk("day"), STOP, Chunk(usage=Usage(input=8, output=2))])
    events = await scene.run()
    assert isinstance(events[0], Started)
    assert said(events) == "good day"
    assert events[-1] == Completed(FinishReason.STOP, Usage(input=8, output=2), 10)
    assert scene.wallet.happened == [("reserve", 11, 100), ("settle", 8, 2, Outcome.COMPLETED)]


async def test_money_is_set_aside_before_the_model_is_asked() -> None:
    scene = Scene([])
    scene.wallet.affordable = False
    with pytest.raises(ServiceError) as caught:
        await scene.run()
    assert caught.value.wire_reason == "INSUFFICIENT_QUOTA"
    assert scene.upstream.prompts == []
    assert scene.wallet.happened == []


async def test_a_refused_question_reaches_neither_model_nor_memory_nor_wallet() -> None:
    scene = Scene([Chunk("x"), STOP])
    with pytest.raises(ContentRefusedError) as caught:
        await scene.run("a forbidden word", conversation_id="c1")
    assert caught.value.metadata["layer"] == "lexicon"
    assert (scene.upstream.prompts, scene.memory.conversations, scene.wallet.happened) == ([], {}, [])


async def test_a_word_cut_over_many_deltas_is_stopped_before_any_of_it_is_said() -> None:
    scene = Scene(
        [Chunk("it is "), *(step for letter in "forbidden" for step in (0.005, Chunk(letter))), Chunk("!"), STOP]
    )
    events: list[Event] = []
    question = Question("req_1", "usr_1", "c1", "", (Message(Role.USER, "hi"),), Options())
    with pytest.raises(ContentRefusedError):
        async for event in scene.turns.run(question):
            events.append(event)  # what came before the error is what matters
    await scene.background.drain()
    assert said(events) == "it is "
    assert scene.memory.conversations == {}
    assert scene.upstream.closed
    assert scene.wallet.happened[-1][-1] is Outcome.REFUSED


async def test_what_is_held_back_is_said_when_nothing_follows() -> None:
    assert said(await Scene([Chunk("see the for"), STOP]).run()) == "see the for"


async def test_a_user_who_leaves_cancels_the_model_and_pays_what_was_produced() -> None:
    scene = Scene([Chunk("seven.."), 30.0, STOP])
    question = Question("req_1", "usr_1", "", "", (Message(Role.USER, "hi"),), Options())
    async with aclosing(scene.turns.run(question)) as events:
        async for event in events:
            if isinstance(event, Delta):
                break
    await scene.background.drain()
    assert scene.upstream.closed
    assert scene.wallet.happened[-1] == ("settle", 8, 7, Outcome.CANCELLED)


async def test_a_user_who_leaves_before_the_first_word_pays_nothing() -> None:
    scene = Scene([30.0])
    turn = asyncio.create_task(scene.run())
    await asyncio.sleep(0.05)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await scene.background.drain()
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_user_who_leaves_while_billing_decides_leaves_no_reservation_behind() -> None:
    scene = Scene([STOP])
    scene.wallet.reserve_delay_s = 0.1
    turn = asyncio.create_task(scene.run())
    await asyncio.sleep(0.03)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await scene.background.drain()
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_reservation_whose_answer_was_lost_is_given_back() -> None:
    scene = Scene([STOP])
    scene.wallet.lost = True
    with pytest.raises(ServiceError):
        await scene.run()
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_provider_that_fails_before_the_first_word_costs_nothing() -> None:
    scene = Scene([UpstreamError("down")])
    with pytest.raises(UpstreamError):
        await scene.run()
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_provider_that_breaks_off_is_an_error_and_charges_what_it_produced() -> None:
    scene = Scene([Chunk("half an ans")])
    with pytest.raises(UpstreamError):
        await scene.run(conversation_id="c1")
    assert scene.wallet.happened[-1] == ("settle", 11, 11, Outcome.FAILED)
    assert scene.memory.conversations == {}


@pytest.mark.parametrize(
    "absurd",
    [
        Usage(input=-1, output=2),
        Usage(input=8, output=10**9),
        Usage(input=5, output=1, cached_input=6),
        Usage(input=0, output=0),
        Usage(input=8, output=0),
    ],
)
async def test_an_absurd_usage_is_replaced_by_our_own_count(absurd: Usage) -> None:
    scene = Scene([Chunk("four"), STOP, Chunk(usage=absurd)])
    events = await scene.run()
    assert events[-1] == Completed(FinishReason.STOP, Usage(input=11, output=4), 15)


async def test_figures_that_come_before_more_text_are_not_those_of_the_answer() -> None:
    scene = Scene([Chunk("fo", usage=Usage(input=8, output=1)), 0.01, Chunk("ur"), STOP])
    events = await scene.run()
    assert events[-1] == Completed(FinishReason.STOP, Usage(input=11, output=4), 15)


async def test_a_conversation_remembers_questions_and_answers_in_order() -> None:
    scene = Scene([Chunk("pong"), STOP])
    await scene.run("ping", conversation_id="c1")
    await scene.run("again", conversation_id="c1")
    assert [(m.role.value, m.content) for m in scene.upstream.prompts[-1]] == [
        ("user", "ping"),
        ("assistant", "pong"),
        ("user", "again"),
    ]


async def test_without_a_conversation_nothing_is_remembered() -> None:
    scene = Scene([Chunk("pong"), STOP])
    await scene.run("ping")
    assert scene.memory.conversations == {}


async def test_an_unknown_model_is_refused_before_anything_happens() -> None:
    scene = Scene([STOP])
    with pytest.raises(ModelNotFoundError):
        await scene.run(model="gpt-0")
    assert scene.wallet.happened == []
