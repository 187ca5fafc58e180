"""One turn: what it says and what it costs, however it ends."""

import asyncio
from dataclasses import replace

import pytest

from services.chat.domain import (
    AnswerState,
    Channel,
    Chunk,
    Completed,
    Delta,
    FinishReason,
    Outcome,
    Piece,
    Role,
    Started,
    ToolCall,
    Usage,
)
from services.chat.errors import UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from services.chat.ports import Bill
from services.runtime.errors import ServiceError, UnavailableError
from tests.fakes.turn_ports import MODEL, chunk
from tests.fakes.turn_scene import NOW_S, Scene, completed, failed, said

STOP = Chunk(finish_reason=FinishReason.STOP)
SPARE = replace(MODEL, id="spare-model")
HOPEFUL = replace(MODEL, id="hopeful-model", fallback=SPARE.id)


async def test_an_answer_is_streamed_settled_and_completed_with_the_providers_usage() -> None:
    scene = Scene([chunk("good "), chunk("day"), STOP, Chunk(usage=Usage(input=8, output=2))])
    events = await scene.run()
    assert events[0] == Started("", MODEL.id, ledger_id="req_1", input_tokens=11, created_s=NOW_S)
    assert said(events) == "good day"
    assert events[-1] == Completed(FinishReason.STOP, Usage(input=8, output=2), 10, "req_1")
    assert scene.wallet.happened == [("reserve", 11, 100), ("settle", 8, 2, Outcome.COMPLETED)]


async def test_money_is_set_aside_before_the_model_is_asked() -> None:
    scene = Scene([])
    scene.wallet.affordable = False
    assert failed(await scene.run()).reason == "INSUFFICIENT_QUOTA"
    assert scene.upstream.prompts == []
    assert scene.wallet.happened == []


async def test_a_refused_question_reaches_neither_model_nor_memory_nor_wallet() -> None:
    scene = Scene([chunk("x"), STOP])
    events = await scene.run("a forbidden word", conversation_id="c1")
    assert (failed(events).reason, failed(events).metadata["layer"]) == ("CONTENT_REFUSED", "lexicon")
    assert (scene.upstream.prompts, scene.memory.conversations, scene.wallet.happened) == ([], {}, [])


async def test_a_word_cut_over_many_deltas_is_stopped_before_any_of_it_is_said() -> None:
    scene = Scene(
        [chunk("it is "), *(step for letter in "forbidden" for step in (0.005, chunk(letter))), chunk("!"), STOP]
    )
    events = await scene.run(conversation_id="c1")
    assert (failed(events).reason, said(events)) == ("CONTENT_REFUSED", "it is ")
    assert scene.memory.conversations == {}
    assert scene.upstream.closed
    assert scene.outcome is Outcome.REFUSED


async def test_what_is_held_back_is_said_when_nothing_follows() -> None:
    assert said(await Scene([chunk("see the for"), STOP]).run()) == "see the for"


async def test_a_turn_that_is_stopped_cancels_the_model_pays_what_was_produced_and_completes_as_cancelled() -> None:
    scene = Scene([chunk("seven.."), 30.0, STOP])
    turn = scene.begin()
    await scene.until("seven..")
    turn.cancel()
    end = completed(await turn)
    assert (end.finish_reason, end.usage, end.charged_micros) == (FinishReason.CANCELLED, Usage(11, 7), 18)
    assert scene.upstream.closed
    assert scene.wallet.happened[-1] == ("settle", 11, 7, Outcome.CANCELLED)


async def test_a_turn_that_is_stopped_before_the_first_word_costs_nothing_and_is_not_remembered() -> None:
    scene = Scene([30.0])
    turn = scene.begin()
    await asyncio.sleep(0.05)
    turn.cancel()
    assert completed(await turn).charged_micros == 0
    assert scene.wallet.verbs == ["reserve", "release"]
    assert scene.memory.conversations == {}


async def test_a_turn_that_is_stopped_while_billing_decides_leaves_no_reservation_behind() -> None:
    scene = Scene([STOP])
    scene.wallet.reserve_delay_s = 0.1
    turn = scene.begin()
    await asyncio.sleep(0.03)
    turn.cancel()
    end = failed(await turn)
    assert (end.reason, end.charged_micros, end.next_attempt) == ("SERVICE_UNAVAILABLE", 0, 1)
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_reservation_whose_answer_was_lost_is_given_back() -> None:
    scene = Scene([STOP])
    scene.wallet.lost = True
    assert failed(await scene.run()).charged_micros == 0
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_provider_that_fails_before_the_first_word_costs_nothing() -> None:
    scene = Scene([UpstreamError("down")])
    end = failed(await scene.run())
    assert (end.reason, end.charged_micros, end.next_attempt) == ("UPSTREAM_ERROR", 0, 1)
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_provider_that_breaks_off_is_an_error_that_charges_and_remembers_what_it_produced() -> None:
    scene = Scene([chunk("half an ans")])
    end = failed(await scene.run(conversation_id="c1"))
    assert (end.reason, end.charged_micros) == ("UPSTREAM_ERROR", 22)
    assert scene.wallet.happened[-1] == ("settle", 11, 11, Outcome.FAILED)
    assert scene.memory.texts == [(Role.USER, "hello"), (Role.ASSISTANT, "half an ans")]
    assert scene.memory.remembered[0].state is AnswerState.INTERRUPTED


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
async def test_an_absurd_usage_is_set_aside_and_replaced_by_our_own_count(absurd: Usage) -> None:
    scene = Scene([chunk("four"), STOP, Chunk(usage=absurd)])
    end = completed(await scene.run())
    assert (end.usage, end.charged_micros) == (Usage(input=11, output=4), 15)
    assert scene.oddities.set_aside == [(absurd, Usage(input=11, output=4))]


async def test_figures_that_come_before_more_text_are_not_those_of_the_answer() -> None:
    scene = Scene([chunk("fo", usage=Usage(input=8, output=1)), 0.01, chunk("ur"), STOP])
    assert completed(await scene.run()).usage == Usage(input=11, output=4)


async def test_an_unknown_model_is_refused_before_anything_happens() -> None:
    scene = Scene([STOP])
    assert failed(await scene.run(model="gpt-0")).reason == "MODEL_NOT_FOUND"
    assert scene.wallet.happened == []


async def test_a_turn_that_is_stopped_while_it_is_being_closed_is_whole() -> None:
    scene = Scene([chunk("whole"), STOP])
    settle, closing = scene.wallet.settle, asyncio.Event()

    async def slowly(bill: Bill) -> int:
        closing.set()
        await asyncio.sleep(0.05)
        return await settle(bill)

    scene.wallet.settle = slowly  # type: ignore[method-assign]  # slow
    turn = scene.begin()
    await closing.wait()
    turn.cancel()
    end = completed(await turn)
    assert (end.finish_reason, scene.said) == (FinishReason.STOP, "whole")
    assert scene.memory.remembered[0].state is AnswerState.COMPLETE


async def test_whoever_stops_a_turn_as_its_model_fails_is_answered_by_no_other_model() -> None:
    scene = Scene([UpstreamError("x"), chunk("unwanted"), STOP], models=[HOPEFUL, SPARE])
    release, closing = scene.wallet.release, asyncio.Event()

    async def slowly(user_id: str, ledger_id: str) -> None:
        closing.set()
        await asyncio.sleep(0.05)
        await release(user_id, ledger_id)

    scene.wallet.release = slowly  # type: ignore[method-assign]  # slow
    turn = asyncio.create_task(scene.run(model=HOPEFUL.id))
    await closing.wait()
    turn.cancel()
    assert failed(await turn).reason == "UPSTREAM_ERROR"
    assert scene.wallet.verbs == ["reserve", "release"]


async def test_a_turn_that_may_have_been_charged_is_not_asked_again_under_its_name() -> None:
    scene = Scene([chunk("forbidden"), STOP])

    async def lost(bill: Bill) -> int:
        raise UnavailableError("billing is away")

    scene.wallet.settle = lost  # type: ignore[method-assign]  # away
    end = failed(await scene.run())
    assert (scene.said, end.next_attempt) == ("", None)


@pytest.mark.parametrize("error", [UpstreamError("x"), UpstreamBusyError("x"), UpstreamTimeoutError("x")])
async def test_another_model_takes_over_when_the_one_asked_is_down_and_has_its_own_name_in_the_ledger(
    error: ServiceError,
) -> None:
    scene = Scene([error, chunk("here"), STOP], models=[HOPEFUL, SPARE])
    events = await scene.run(model=HOPEFUL.id)
    assert [event.model for event in events if isinstance(event, Started)] == [HOPEFUL.id, SPARE.id]
    assert [event.attempt for event in events if isinstance(event, Started)] == [0, 1]
    assert (said(events), scene.upstream.models) == ("here", [HOPEFUL.id, SPARE.id])
    assert scene.wallet.verbs == ["reserve", "release", "reserve", "settle"]
    assert scene.wallet.bills[:3] == ["req_1", "req_1", "req_1-1"]
    assert completed(events).ledger_id == "req_1-1"


async def test_nobody_takes_over_after_the_first_word() -> None:
    scene = Scene([chunk("begun"), UpstreamError("x"), chunk("other"), STOP], models=[HOPEFUL, SPARE])
    events = await scene.run(model=HOPEFUL.id)
    assert (said(events), failed(events).reason) == ("begun", "UPSTREAM_ERROR")


async def test_a_call_that_was_given_up_for_a_faster_one_is_a_cost_of_ours() -> None:
    scene = Scene([replace(chunk("good"), lost_calls=1), STOP])
    await scene.run()
    bill = scene.wallet.bills[-1]
    assert isinstance(bill, Bill)
    assert (bill.usage, bill.lost) == (Usage(11, 4), Usage(11, 0))


async def test_thoughts_and_tool_calls_are_screened_and_streamed_apart_and_positions_only_grow() -> None:
    call = ToolCall(0, "call_1", "look_up")
    script: list[Chunk | ServiceError | float] = [
        Chunk((Piece("hm, ", Channel.REASONING),)),
        0.005,
        Chunk((Piece("yes", Channel.REASONING), Piece("So: "))),
        Chunk((Piece("", Channel.TOOL_CALL, call), Piece('{"q":', Channel.TOOL_CALL, ToolCall(0)))),
        0.005,
        Chunk((Piece("1}", Channel.TOOL_CALL, ToolCall(0)),), FinishReason.TOOL_CALLS),
    ]
    scene = Scene(script)
    events = await scene.run(conversation_id="c1")
    assert said(events, Channel.REASONING) == "hm, yes"
    assert said(events) == "So: "
    assert said(events, Channel.TOOL_CALL) == '{"q":1}'
    tools = [event.piece.tool for event in events if isinstance(event, Delta) and event.piece.tool]
    assert tools[0] == call
    assert all(tool == ToolCall(0) for tool in tools[1:])
    assert scene.positions == sorted(scene.positions)
    assert completed(events).finish_reason is FinishReason.TOOL_CALLS
    answer = scene.memory.remembered[0].messages[-1]
    assert answer.content == "So: "
    assert '"name":"look_up","arguments":"{\\"q\\":1}"' in answer.json


@pytest.mark.parametrize("channel", [Channel.REASONING, Channel.TOOL_CALL])
async def test_a_refused_word_is_stopped_in_thoughts_and_tool_calls_too(channel: Channel) -> None:
    tool = ToolCall(0, "call_1", "f") if channel is Channel.TOOL_CALL else None
    scene = Scene([Chunk((Piece("it is forbidden", channel, tool),)), STOP])
    events = await scene.run()
    assert (said(events, channel), failed(events).reason) == ("it is ", "CONTENT_REFUSED")
