import json

from hypothesis import given
from hypothesis import strategies as st

from bench.answer import ChunkWriter, compose, passage
from bench.directive import Behaviour

QUESTION = [{"role": "user", "content": "一二三"}]


@given(st.integers(0, 300), st.integers())
def test_a_passage_has_the_deltas_asked_for_of_4_to_8_characters(deltas: int, seed: int) -> None:
    pieces = passage(deltas, seed)
    assert len(pieces) == deltas
    assert all(4 <= len(piece) <= 8 for piece in pieces)


def test_a_passage_is_the_same_for_the_same_seed_alone() -> None:
    passage.cache_clear()
    first = passage(32, 1)
    passage.cache_clear()
    assert passage(32, 1) == first
    assert passage(32, 2) != first


def test_a_text_is_cut_where_it_says() -> None:
    assert compose(Behaviour(text="你|好吗|"), QUESTION, None, 1).deltas == ("你", "好吗")


def test_an_echo_is_the_json_of_the_messages() -> None:
    answer = compose(Behaviour(echo=True), QUESTION, None, 1)
    assert json.loads("".join(answer.deltas)) == QUESTION


@given(st.integers(0, 60))
def test_an_answer_never_passes_max_tokens_and_says_when_it_was_cut(limit: int) -> None:
    behaviour = Behaviour(deltas=6)
    whole = "".join(passage(6, 1))
    answer = compose(behaviour, QUESTION, limit, 1)
    assert "".join(answer.deltas) == whole[:limit]
    assert answer.completion_tokens == min(limit, len(whole))
    assert answer.finish_reason == ("length" if limit < len(whole) else "stop")


def test_usage_counts_characters_unless_the_directive_gives_figures() -> None:
    counted = compose(Behaviour(text="你好"), QUESTION, None, 1)
    assert (counted.prompt_tokens, counted.completion_tokens, counted.cached_tokens) == (3, 2, 0)
    given_figures = Behaviour(text="你好", prompt_tokens=100, completion_tokens=0, cached_tokens=64)
    assert compose(given_figures, QUESTION, None, 1).usage == {
        "prompt_tokens": 100,
        "completion_tokens": 0,
        "total_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


@given(st.text(), st.booleans())
def test_every_event_is_one_line_of_json(text: str, include_usage: bool) -> None:
    writer = ChunkWriter("id", 1, 'a "model"', include_usage)
    answer = compose(Behaviour(), QUESTION, None, 1)
    events = [writer.role(), writer.content(text), writer.finish("stop"), writer.usage(answer)]
    chunks = []
    for event in events:
        assert event.startswith(b"data: ")
        assert event.endswith(b"\n\n")
        assert event.count(b"\n") == 2
        chunks.append(json.loads(event[6:]))
    assert chunks[1]["choices"][0]["delta"] == {"content": text}
    assert all(("usage" in chunk) == include_usage for chunk in chunks[:3])


def test_a_thought_comes_before_the_text_and_is_counted() -> None:
    answer = compose(Behaviour(text="你好", reasoning="想|一想"), QUESTION, None, 1)
    assert (answer.reasoning, answer.deltas, answer.completion_tokens) == (("想", "一想"), ("你好",), 5)


def test_a_tool_is_why_the_answer_ends() -> None:
    answer = compose(Behaviour(text="", tool="weather"), QUESTION, None, 1)
    assert (answer.deltas, answer.finish_reason) == ((), "tool_calls")
    events = ChunkWriter("id", 0, "m", include_usage=False).tool_call("weather")
    calls = [json.loads(event.removeprefix(b"data: "))["choices"][0]["delta"]["tool_calls"][0] for event in events]
    assert calls[0]["function"]["name"] == "weather"
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"city": "长沙"}


def test_a_tool_whose_result_has_come_is_not_called_again() -> None:
    messages = [*QUESTION, {"role": "assistant", "content": ""}, {"role": "tool", "content": "晴"}]
    answer = compose(Behaviour(text="好", tool="weather"), messages, None, 1)
    assert (answer.tool, answer.finish_reason) == (None, "stop")


def test_an_answer_has_the_shape_that_is_prescribed() -> None:
    schema = {
        "$defs": {"Sky": {"enum": ["晴", "雨"]}},
        "properties": {
            "city": {"type": "string"},
            "sky": {"$ref": "#/$defs/Sky"},
            "degrees": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        },
        "type": "object",
    }
    body = {"response_format": {"type": "json_schema", "json_schema": {"name": "report", "schema": schema}}}
    answer = compose(Behaviour(json=True), QUESTION, None, 1, body)
    assert json.loads("".join(answer.deltas)) == {"city": "长沙", "sky": "晴", "degrees": [7]}


def test_the_whole_request_can_be_repeated() -> None:
    body = {"model": "m", "messages": QUESTION, "tools": []}
    answer = compose(Behaviour(echo_body=True), QUESTION, None, 1, body)
    assert json.loads("".join(answer.deltas)) == body
