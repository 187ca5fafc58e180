"""Trimming: the budget is never exceeded, what was asked is never lost, exchanges stay whole."""

from dataclasses import replace
from itertools import chain

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.domain import Message, Model, Role
from services.chat.errors import ContextTooLongError
from services.chat.window import OUTPUT_TOKENS_MIN, Prompt, answered, demand_countable, fit, is_long, weigh, weigh_extra
from services.runtime.errors import InvalidRequestError

FRAME = 4
REPLY = 3


class WordTokenizer:
    """A token a word; remembers what it was given."""

    def __init__(self) -> None:
        self.counted: list[str] = []

    def count(self, text: str, encoding: str) -> int:
        self.counted.append(text)
        return len(text.split())


def model(context: int, output: int = 100, ratio: int = 100) -> Model:
    return Model("m", context, output, "e", ratio, message_tokens=FRAME, reply_tokens=REPLY)


def message(role: Role, tokens: int, content: str = "x") -> Message:
    return Message(role, content, tokens, "e")


def exchange(*tokens: int) -> list[Message]:
    """A question and its answer; with more weights, calls of tools and their results are between them."""
    between = [message(Role.ASSISTANT if number % 3 == 0 else Role.TOOL, n) for number, n in enumerate(tokens[2:])]
    return [message(Role.USER, tokens[0]), *between, message(Role.ASSISTANT, tokens[1])]


def exchanges(*tokens: int) -> list[Message]:
    return [m for n in tokens for m in exchange(n, n)]


WEIGHTS = st.integers(0, 300)
EXCHANGES = st.builds(
    lambda questions, rest: [message(Role.USER, n) for n in questions] + exchange(*rest),
    st.lists(WEIGHTS, max_size=1),
    st.lists(WEIGHTS, min_size=2, max_size=6),
)
PASTS = st.lists(EXCHANGES, max_size=12)
SUMMARIES = st.one_of(st.none(), st.builds(lambda n: message(Role.SYSTEM, n, "summary"), WEIGHTS))


def weight(prompt: Prompt) -> int:
    return REPLY + sum(m.tokens + FRAME for m in prompt.messages)


@given(
    past=PASTS,
    cut=st.integers(0, 3),
    asked=st.integers(1, 200),
    system=st.integers(0, 200),
    context=st.integers(20, 3000),
    wanted=st.one_of(st.none(), st.integers(1, 5000)),
    ratio=st.integers(100, 400),
    extra=st.integers(0, 100),
    summary=SUMMARIES,
)
def test_the_prompt_and_its_answer_always_fit(
    past: list[list[Message]],
    cut: int,
    asked: int,
    system: int,
    context: int,
    wanted: int | None,
    ratio: int,
    extra: int,
    summary: Message | None,
) -> None:
    history, target = list(chain(*past))[cut:], model(context, ratio=ratio)
    new = [message(Role.SYSTEM, system), message(Role.USER, asked)]
    try:
        prompt = fit(history, new, target, wanted, summary=summary, extra_tokens=extra)
    except ContextTooLongError:
        assert (REPLY + extra + system + asked + 2 * FRAME) * ratio / 100 > context - OUTPUT_TOKENS_MIN
        return
    assert prompt == fit(history, new, target, wanted, summary=summary, extra_tokens=extra)
    assert (weight(prompt) + extra) * ratio / 100 <= prompt.input_tokens
    assert prompt.input_tokens + prompt.max_output_tokens <= context
    assert 1 <= prompt.max_output_tokens <= min(wanted or 100, 100)
    # The system prompt first, then the summary, then the newest of the past in its order, then what was asked.
    assert (prompt.messages[0], prompt.messages[-1]) == (new[0], new[1])
    kept = list(prompt.messages[1:-1])
    if summary is not None and kept and kept[0] is summary:
        del kept[0]
    assert [*prompt.dropped, *kept] == history
    # Whole exchanges: what stays begins with the first question of one, so no result is without its call.
    starts = [number for number, m in enumerate(history) if m.role is Role.USER]
    starts = [number for number in starts if number - 1 not in starts]
    assert not kept or len(prompt.dropped) in starts


@given(
    past=PASTS,
    context=st.integers(100, 3000),
    more=st.integers(0, 500),
    ratio=st.integers(100, 400),
    summary=SUMMARIES,
)
def test_a_bigger_budget_never_keeps_less_of_the_history(
    past: list[list[Message]], context: int, more: int, ratio: int, summary: Message | None
) -> None:
    history, new = list(chain(*past)), [message(Role.USER, 1)]
    small, large = (
        fit(history, new, model(size, output=20, ratio=ratio), None, summary=summary)
        for size in (context, context + more)
    )
    assert len(large.dropped) <= len(small.dropped)
    if len(large.dropped) == len(small.dropped):
        assert set(small.messages) <= set(large.messages)


@given(past=PASTS, context=st.integers(100, 3000))
def test_no_exchange_is_dropped_that_would_have_fitted(past: list[list[Message]], context: int) -> None:
    new = [message(Role.USER, 1)]
    prompt = fit(list(chain(*past)), new, model(context, output=20), None)
    kept = len(prompt.messages) - 1
    tails = [list(chain(*past[start:])) for start in range(len(past) + 1)]
    fitting = [tail for tail in tails if REPLY + sum(m.tokens + FRAME for m in (*tail, *new)) <= context - 20]
    assert kept == max(len(tail) for tail in fitting)


def test_the_oldest_exchange_goes_first_and_goes_whole() -> None:
    history = exchanges(10, 20, 30)
    prompt = fit(history, [message(Role.USER, 5)], model(190, output=50), None)
    assert list(prompt.messages) == [*history[2:], message(Role.USER, 5)]
    assert list(prompt.dropped) == history[:2]


def test_the_summary_gives_way_to_the_newest_exchange_alone() -> None:
    history, summary, new = exchanges(10, 20, 30), message(Role.SYSTEM, 40, "summary"), [message(Role.USER, 5)]

    def kept(room: int) -> list[Message]:
        return list(fit(history, new, model(12 + room + 50, output=50), None, summary=summary).messages[:-1])

    assert kept(67) == [summary]
    assert kept(68) == history[4:]
    assert kept(111) == history[4:]
    assert kept(112) == [summary, *history[4:]]
    assert kept(160) == [summary, *history[2:]]


def test_results_of_tools_stay_with_the_exchange_that_called_for_them() -> None:
    history = [*exchanges(10), message(Role.USER, 50), message(Role.ASSISTANT, 50)]
    new = [message(Role.TOOL, 5)]
    prompt = fit(history, new, model(150), None)
    assert list(prompt.messages) == [*history[2:], *new]
    assert list(prompt.dropped) == history[:2]
    with pytest.raises(ContextTooLongError):
        fit(history, new, model(130), None)


def test_a_question_that_cannot_fit_is_refused_with_both_figures() -> None:
    with pytest.raises(ContextTooLongError) as caught:
        fit([], [message(Role.USER, 500)], model(300), None)
    assert caught.value.metadata == {"tokens": "507", "tokens_max": str(300 - OUTPUT_TOKENS_MIN), "model": "m"}


def test_an_answer_gets_what_room_is_left_when_the_question_is_long() -> None:
    assert fit([], [message(Role.USER, 250)], model(300), None).max_output_tokens == 300 - 257


def test_what_each_model_frames_a_message_with_is_counted() -> None:
    target = replace(model(1000), message_tokens=7, reply_tokens=11)
    assert fit([], [message(Role.USER, 5)], target, None).input_tokens == 7 + 5 + 11


def test_a_longer_frame_of_answers_and_what_stands_for_a_system_message_are_counted() -> None:
    target = replace(model(1000), assistant_tokens=2, prologue_tokens=30)
    new, asked = message(Role.SYSTEM, 9), message(Role.USER, 5)
    assert fit(exchanges(10), [asked], target, None).input_tokens == 30 + (14 + 14 + 2) + (9 + 3)
    assert fit(exchanges(10), [new, asked], target, None).input_tokens == 13 + (14 + 14 + 2) + (9 + 3)
    assert fit(exchanges(10), [asked], target, None, summary=new).input_tokens == 13 + (14 + 14 + 2) + (9 + 3)


def test_a_message_is_counted_once_for_each_encoding() -> None:
    tokenizer, target = WordTokenizer(), model(1000)
    weighed = weigh(Message(Role.USER, "one two three"), target, tokenizer)
    assert (weighed.tokens, weighed.encoding) == (3, "e")
    assert weigh(weighed, target, tokenizer) is weighed
    assert weigh(weighed, replace(target, encoding="f"), tokenizer).encoding == "f"
    assert tokenizer.counted == ["one two three"] * 2


def test_an_image_weighs_what_the_model_says_and_one_of_low_detail_85() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    low = {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}}
    body = {"role": "user", "content": [{"type": "text", "text": "what is this"}, image, low]}
    given_message = Message(Role.USER, "what is this", json=msgspec.json.encode(body).decode())
    assert weigh(given_message, replace(model(9000), image_tokens=1000), WordTokenizer()).tokens == 3 + 1000 + 85


def test_what_reaches_the_prompt_of_further_parameters_is_counted_and_nothing_else() -> None:
    tokenizer = WordTokenizer()
    tools = [{"type": "function", "function": {"name": "f", "description": "tells the weather"}}]
    extra = msgspec.json.encode({"tools": tools, "logit_bias": {"1": 2}, "user": "two words"}).decode()
    assert weigh_extra(extra, model(1000), tokenizer) == 3
    assert tokenizer.counted == [msgspec.json.encode(tools).decode()]
    assert weigh_extra("", model(1000), tokenizer) == 0
    with pytest.raises(InvalidRequestError):
        weigh_extra("[", model(1000), tokenizer)


def test_only_what_is_not_counted_yet_makes_a_prompt_long() -> None:
    long = Message(Role.USER, "字" * 20_001)
    assert is_long([long], "", model(1000))
    assert not is_long([replace(long, tokens=1, encoding="e")], "", model(1000))
    assert not is_long([Message(Role.USER, "字" * 20_000)], "", model(1000))
    assert is_long([], "x" * 20_001, model(1000))


def called(*ids: str, content: str = "") -> Message:
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in ids]
    whole = {"role": "assistant", "content": content or None, "tool_calls": calls}
    return Message(Role.ASSISTANT, content, json=msgspec.json.encode(whole).decode(), number=1)


def result(call: str) -> Message:
    return Message(Role.TOOL, "x", json=f'{{"role":"tool","tool_call_id":"{call}","content":"x"}}')


def test_remembered_calls_without_their_results_are_left_out() -> None:
    question = Message(Role.USER, "q", number=1)
    finished = [question, called("a", "b"), result("a"), result("b")]
    assert answered([*finished, question]) == (*finished, question)
    assert answered([question, called("a"), question]) == (question, question)
    spoken = called("a", content="wait")
    assert answered([question, spoken, question]) == (question, replace(spoken, json=""), question)
    # What the caller sends now is the caller's.
    sent = replace(called("a"), number=0)
    assert answered([question, sent]) == (question, sent)


def test_what_is_far_too_long_is_refused_before_it_is_counted() -> None:
    with pytest.raises(ContextTooLongError):
        demand_countable([Message(Role.USER, "字" * 16_001)], model(1000))
    demand_countable([Message(Role.USER, "字" * 16_000)], model(1000))
