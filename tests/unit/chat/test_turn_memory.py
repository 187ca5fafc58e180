"""What a turn remembers, and what it makes of what is remembered."""

from dataclasses import replace

import structlog

from services.chat.domain import (
    AnswerState,
    Channel,
    Chunk,
    FinishReason,
    Message,
    Piece,
    Place,
    Role,
    ToolCall,
    Where,
)
from services.chat.errors import UpstreamError
from services.chat.ports import Recollection
from tests.fakes.turn_ports import MODEL, chunk
from tests.fakes.turn_scene import HELLO, Scene, completed, failed

STOP = Chunk(finish_reason=FinishReason.STOP)


async def test_a_conversation_remembers_questions_and_answers_in_order() -> None:
    scene = Scene([chunk("pong"), STOP])
    end = completed(await scene.run("ping", conversation_id="c1"))
    assert (end.question_number, end.answer_number) == (1, 2)
    await scene.run("again", conversation_id="c1")
    assert [(m.role.value, m.content) for m in scene.upstream.prompts[-1]] == [
        ("user", "ping"),
        ("assistant", "pong"),
        ("user", "again"),
    ]


async def test_an_answer_that_reached_its_limit_is_remembered_as_one_that_can_be_continued() -> None:
    scene = Scene([chunk("on and on"), Chunk(finish_reason=FinishReason.LENGTH)])
    await scene.run(conversation_id="c1")
    assert scene.memory.remembered[0].state is AnswerState.LENGTH


async def test_without_a_conversation_nothing_is_remembered() -> None:
    scene = Scene([chunk("pong"), STOP])
    await scene.run("ping")
    assert scene.memory.conversations == {}


async def test_a_memory_that_fails_does_not_fail_an_answer_that_was_given() -> None:
    scene = Scene([chunk("pong"), STOP])
    scene.memory.away = True
    assert completed(await scene.run(conversation_id="c1")).answer_number == 0


async def test_a_regenerated_answer_is_asked_for_with_the_remembered_question_and_stored_alone() -> None:
    scene = Scene([chunk("better"), STOP])
    question = Message(Role.USER, "ping", number=1)
    scene.memory.recollection = Recollection((), asked=(question,), parent=1, version=2)
    regenerate = replace(HELLO, messages=(), conversation_id="c1", place=Place(Where.REGENERATE, 2))
    end = completed(await scene.ask(regenerate))
    assert [message.content for message in scene.upstream.prompts[-1]] == ["ping"]
    assert [message.content for message in scene.memory.remembered[0].messages] == ["better"]
    assert end.question_number == 1


async def test_who_asks_again_may_say_again_what_the_system_says() -> None:
    scene = Scene([chunk("better"), STOP])
    scene.memory.recollection = Recollection((), asked=(Message(Role.USER, "ping"),), parent=1, version=2)
    persona = Message(Role.SYSTEM, "be kind")
    regenerate = replace(HELLO, messages=(persona,), conversation_id="c1", place=Place(Where.REGENERATE, 2))
    await scene.ask(regenerate)
    assert [message.content for message in scene.upstream.prompts[-1]] == ["be kind", "ping"]
    assert [message.content for message in scene.memory.remembered[0].messages] == ["better"]


async def test_a_regenerated_answer_to_what_is_refused_by_now_is_refused() -> None:
    scene = Scene([chunk("better"), STOP])
    scene.memory.recollection = Recollection((), asked=(Message(Role.USER, "forbidden"),), parent=1, version=2)
    regenerate = replace(HELLO, messages=(), conversation_id="c1", place=Place(Where.REGENERATE, 2))
    assert failed(await scene.ask(regenerate)).reason == "CONTENT_REFUSED"


async def test_an_answer_is_continued_by_asking_for_more_of_it_and_the_asking_is_not_remembered() -> None:
    scene = Scene([chunk(" and so on"), STOP])
    known = (Message(Role.USER, "ping"), Message(Role.ASSISTANT, "pong"))
    scene.memory.recollection = Recollection(known, parent=2, version=2)
    await scene.ask(replace(HELLO, messages=(), conversation_id="c1", place=Place(Where.CONTINUE, 2)))
    assert [message.role for message in scene.upstream.prompts[-1]] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert [message.content for message in scene.memory.remembered[0].messages] == [" and so on"]


async def test_what_is_gone_on_with_is_sent_whatever_else_must_go() -> None:
    scene = Scene([chunk(" and so on"), STOP])
    room = MODEL.context_tokens - 200
    known = tuple(
        Message(role, letter * length, number=number)
        for number, (role, letter, length) in enumerate(
            [
                (Role.USER, "a", 50),
                (Role.ASSISTANT, "b", 50),
                (Role.USER, "c", room // 2),
                (Role.ASSISTANT, "d", room // 2),
            ],
            start=1,
        )
    )
    scene.memory.recollection = Recollection(known, parent=4, version=4)
    end = completed(await scene.ask(replace(HELLO, messages=(), conversation_id="c1", place=Place(Where.CONTINUE, 4))))
    assert [message.content[0] for message in scene.upstream.prompts[-1][:-1]] == ["c", "d"]
    assert end.question_number == 3


async def test_a_call_of_a_tool_that_broke_off_is_not_remembered() -> None:
    scene = Scene(
        [
            chunk("let me see "),
            Chunk((Piece('{"ci', Channel.TOOL_CALL, ToolCall(0, "call_1", "weather")),)),
            UpstreamError("x"),
        ]
    )
    await scene.run(conversation_id="c1")
    answer = scene.memory.remembered[0].messages[-1]
    assert (answer.content, answer.json) == ("let me see ", "")


async def test_a_memory_that_fails_is_told_to_the_owner_and_not_to_the_user() -> None:
    scene = Scene([chunk("fine"), STOP])

    async def fail(*_: object) -> int:
        raise ValueError("a defect")

    scene.memory.remember = fail  # type: ignore[method-assign,assignment]  # broken
    with structlog.testing.capture_logs() as logs:
        end = completed(await scene.run(conversation_id="c1"))
    assert (end.finish_reason, end.answer_number) == (FinishReason.STOP, 0)
    assert [entry["event"] for entry in logs] == ["turn not remembered"]


async def test_an_answer_and_what_continued_it_reach_the_model_as_one() -> None:
    scene = Scene([chunk("ok"), STOP])
    known = (Message(Role.USER, "ping"), Message(Role.ASSISTANT, "po"), Message(Role.ASSISTANT, "ng"))
    scene.memory.recollection = Recollection(known, parent=3, version=3)
    await scene.run("again", conversation_id="c1")
    assert [message.content for message in scene.upstream.prompts[-1]] == ["ping", "pong", "again"]
