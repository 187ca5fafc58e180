"""Which questions share an answer, and which never do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.answers.key import key, normalised
from services.chat.domain import Message, Options, Place, Question, Role, Where
from tests.fakes.turn_ports import MODEL
from tests.fakes.turn_scene import HELLO


def asked(*texts: str, **changes: Any) -> Question:
    *system, question = texts
    messages = (*(Message(Role.SYSTEM, text) for text in system), Message(Role.USER, question))
    return replace(HELLO, messages=messages, **changes)


def name(question: Question, version: str = "v1") -> str | None:
    return key(question, (), MODEL, version)


def test_who_asks_and_under_which_name_does_not_matter() -> None:
    other = asked("牛郎是谁", user_id="somebody", request_id="other", openid="o", conversation_id="c")
    assert name(asked("牛郎是谁")) == name(other) is not None


@pytest.mark.parametrize(
    "other",
    [
        asked("织女是谁"),
        asked("你是老师", "牛郎是谁"),
        asked("牛郎是谁", tenant="another"),
        asked("牛郎是谁", options=Options(temperature=0.5)),
        asked("牛郎是谁", options=Options(extra_json='{"response_format":{"type":"json_object"}}')),
    ],
)
def test_whatever_shapes_the_answer_is_part_of_the_key(other: Question) -> None:
    assert name(other) not in (None, name(asked("牛郎是谁")))


def test_model_and_moderation_are_part_of_the_key() -> None:
    question = asked("牛郎是谁")
    assert name(question, "v2") != name(question)
    assert key(question, (), replace(MODEL, id="other"), "v1") != name(question)


@pytest.mark.parametrize(
    "question",
    [
        asked("再说一遍", place=Place(Where.REGENERATE, 2)),
        asked("再说一遍", place=Place(Where.AFTER, 0)),
        asked("天气", options=Options(extra_json='{"tools":[]}')),
        asked("长" * 2001),
        replace(HELLO, messages=(Message(Role.USER, "看图", json='{"role":"user"}'),)),
        replace(HELLO, messages=(Message(Role.USER, "a"), Message(Role.ASSISTANT, "b"), Message(Role.USER, "c"))),
        replace(HELLO, messages=(Message(Role.USER, "a"), Message(Role.ASSISTANT, "b"))),
        replace(HELLO, messages=()),
    ],
)
def test_what_is_personal_or_has_a_history_shares_nothing(question: Question) -> None:
    assert name(question) is None


def test_a_question_that_the_conversation_remembers_something_before_shares_nothing() -> None:
    assert key(asked("再说一遍"), (Message(Role.USER, "牛郎是谁"),), MODEL, "v1") is None


@pytest.mark.parametrize(
    ("text", "same"),
    [("  牛郎 \t是谁\uff1f ", "牛郎 是谁?"), ("\uff21\uff29\u3000是什么", "AI 是什么"), ("cafe\u0301", "caf\u00e9")],
)
def test_differences_that_people_do_not_mean_make_no_difference(text: str, same: str) -> None:
    assert normalised(text) == normalised(same)


@pytest.mark.parametrize(("text", "other"), [("US 是什么", "us 是什么"), ("x²", "x2"), ("a\n  b", "a\nb")])
def test_differences_that_may_mean_something_stay(text: str, other: str) -> None:
    assert normalised(text) != normalised(other)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
