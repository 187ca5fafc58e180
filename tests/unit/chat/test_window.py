"""Trimming: the budget is never exceeded, what was asked is never lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.domain import Message, Model, Role
from services.chat.errors import ContextTooLongError
from services.chat.window import MESSAGE_OVERHEAD_TOKENS, OUTPUT_TOKENS_MIN, fit


def model(context: int, output: int = 100, ratio: int = 100) -> Model:
    return Model("m", context, output, "e", ratio)


def message(role: Role, tokens: int) -> Message:
    return Message(role, "x", tokens, "e")


def exchanges(*tokens: int) -> list[Message]:
    return [m for n in tokens for m in (message(Role.USER, n), message(Role.ASSISTANT, n))]


@given(
    weights=st.lists(st.integers(0, 400), max_size=30),
    asked=st.integers(1, 200),
    system=st.integers(0, 200),
    context=st.integers(20, 3000),
    wanted=st.one_of(st.none(), st.integers(1, 5000)),
    ratio=st.integers(100, 400),
)
def test_the_prompt_and_its_answer_always_fit(
    weights: list[int], asked: int, system: int, context: int, wanted: Any, ratio: int
) -> None:
    history, target = exchanges(*weights), model(context, ratio=ratio)
    new = [message(Role.SYSTEM, system), message(Role.USER, asked)]
    try:
        prompt = fit(history, new, target, wanted)
    except ContextTooLongError:
        return
    weight = sum(m.tokens + MESSAGE_OVERHEAD_TOKENS for m in prompt.messages) * ratio / 100
    assert weight <= prompt.input_tokens
    assert prompt.input_tokens + prompt.max_output_tokens <= context
    assert 1 <= prompt.max_output_tokens <= min(wanted or 100, 100)
    assert prompt.messages[0] is new[0]
    assert prompt.messages[-1] is new[1]
    kept = list(prompt.messages[1:-1])
    assert kept == history[len(history) - len(kept) :]
    assert not kept or kept[0].role is Role.USER


def test_the_oldest_exchange_goes_first_and_goes_whole() -> None:
    history = exchanges(10, 20, 30)
    prompt = fit(history, [message(Role.USER, 5)], model(190, output=50), None)
    assert list(prompt.messages) == [*history[2:], message(Role.USER, 5)]


def test_a_question_that_cannot_fit_is_refused_with_both_figures() -> None:
    with pytest.raises(ContextTooLongError) as caught:
        fit([], [message(Role.USER, 500)], model(300), None)
    assert caught.value.metadata == {"tokens": "506", "tokens_max": str(300 - OUTPUT_TOKENS_MIN), "model": "m"}


def test_an_answer_gets_what_room_is_left_when_the_question_is_long() -> None:
    assert fit([], [message(Role.USER, 250)], model(300), None).max_output_tokens == 300 - 256
