"""What a chat completion request may say. The table of bad bodies is in the integration tests of the gateway."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from services.gateway.chat.convert import turn_request
from services.gateway.chat.domain import CachePolicy, Message, Parameters, Place, Role, Where
from services.gateway.chat.requests import ChatRequest, chat_request, idempotency_key
from services.gateway.edge.body import parse
from services.gateway.identity.domain import Principal
from services.runtime.errors import InvalidRequestError

HELLO = [{"role": "user", "content": "你好"}]


def parsed(headers: dict[str, str] | None = None, **body: Any) -> ChatRequest:
    return chat_request(parse(json.dumps({"messages": HELLO, **body}).encode()), Headers(headers or {}))


def refused(headers: dict[str, str] | None = None, **body: Any) -> str:
    """The field that is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        parsed(headers, **body)
    return next(iter(caught.value.fields))


def test_the_least_request() -> None:
    request = parsed()
    assert request.question.messages == (Message(Role.USER, "你好"),)
    assert request.question.parameters == Parameters()
    assert (request.question.model, request.question.conversation_id) == ("", "")
    assert (request.stream, request.include_usage) == (False, False)


def test_null_is_the_same_as_absent() -> None:
    names = ["model", "max_tokens", "stop", "stream", "stream_options", "n", "tools", "conversation_id", "user"]
    assert parsed(**dict.fromkeys(names)) == parsed()


def test_the_newer_name_of_the_token_limit_wins() -> None:
    assert parsed(max_tokens=5, max_completion_tokens=7).question.parameters.max_output_tokens == 7
    assert parsed(max_tokens=5).question.parameters.max_output_tokens == 5


def test_one_stop_text_is_a_list_of_one() -> None:
    assert parsed(stop="。").question.parameters.stop == ("。",)


def test_the_clients_own_answer_can_be_sent_back() -> None:
    history = [{"role": "assistant", "content": "好", "refusal": None, "tool_calls": None}, *HELLO]
    assert parsed(messages=history).question.messages[0] == Message(Role.ASSISTANT, "好")


def test_tabs_and_line_ends_are_text() -> None:
    assert parsed(messages=[{"role": "user", "content": "a\tb\r\n"}]).question.messages[0].content == "a\tb\r\n"


def test_a_role_that_there_is_not_any_more_is_refused() -> None:
    assert refused(messages=[{"role": "function", "content": "x", "name": "f"}]) == "messages[0].role"
    assert refused(messages=[{"role": "assistant", "function_call": {"name": "f"}}]) == "messages[0].function_call"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "tool_call_id": "call_1", "content": "七夕"},
        {"role": "user", "content": "你好", "name": "小明"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {}}]},
        {"role": "developer", "content": "简短", "name": "rules"},
    ],
)
def test_a_message_that_is_more_than_text_is_handed_on_as_it_came(message: dict[str, Any]) -> None:
    (found,) = parsed(messages=[message]).question.messages
    assert json.loads(found.json) == {name: value for name, value in message.items() if value is not None}
    assert found.content == ""


def test_a_thought_that_a_client_sends_back_is_left_out() -> None:
    history = [{"role": "assistant", "content": "好", "reasoning_content": "想一想"}, *HELLO]
    assert parsed(messages=history).question.messages[0] == Message(Role.ASSISTANT, "好")


@pytest.mark.parametrize("bad", ["a\x00", "\ud800"])
def test_what_no_text_contains_is_refused_wherever_it_is(bad: str) -> None:
    part = {"type": "image_url", "image_url": {"url": bad}}
    assert refused(messages=[{"role": "user", "content": [part]}]) == "messages[0].content[0].image_url.url"
    assert refused(tools=[{"type": "function", "function": {"description": bad}}]) == "tools[0].function.description"


def test_further_parameters_are_handed_on_and_those_that_ask_for_nothing_are_not() -> None:
    shape = {"type": "json_object"}
    asked = parsed(
        response_format=shape, tool_choice="auto", parallel_tool_calls=True, user="u", tools=[], logit_bias={}
    )
    assert json.loads(asked.question.parameters.extra_json) == {"response_format": shape}
    assert parsed(tool_choice="none").question.parameters.extra_json == ""
    assert json.loads(parsed(enable_thinking=True).question.parameters.extra_json) == {"enable_thinking": True}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"parent_id": "0"}, Place(Where.AFTER, 0)),
        ({"parent_id": "12"}, Place(Where.AFTER, 12)),
        ({"regenerate_id": "2", "messages": []}, Place(Where.REGENERATE, 2)),
        ({"continue_id": "2", "messages": None}, Place(Where.CONTINUE, 2)),
        ({}, None),
    ],
)
def test_a_turn_takes_place_where_it_says(body: dict[str, Any], place: Place | None) -> None:
    assert parsed(conversation_id="c", **body).question.place == place


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parent_id": "1"}, "conversation_id"),
        ({"parent_id": "01", "conversation_id": "c"}, "parent_id"),
        ({"parent_id": 1, "conversation_id": "c"}, "parent_id"),
        ({"regenerate_id": "0", "conversation_id": "c", "messages": []}, "regenerate_id"),
        ({"regenerate_id": "2", "conversation_id": "c"}, "messages"),
        ({"regenerate_id": "2", "continue_id": "2", "conversation_id": "c", "messages": []}, "regenerate_id"),
        ({"on_disconnect": "stay"}, "on_disconnect"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"n": 2}, "n"),
    ],
)
def test_what_cannot_be_is_refused_by_name(body: dict[str, Any], field: str) -> None:
    assert refused(**body) == field


@pytest.mark.parametrize(
    ("header", "policy"),
    [
        (None, CachePolicy.USE),
        ("max-age=0", CachePolicy.USE),
        ("no-cache", CachePolicy.REFRESH),
        ("No-Store, no-cache", CachePolicy.NO_STORE),
    ],
)
def test_the_request_says_what_may_be_cached(header: str | None, policy: CachePolicy) -> None:
    headers = {} if header is None else {"Cache-Control": header}
    assert parsed(headers).question.cache is policy


def test_a_turn_stays_when_its_client_can_come_back_to_it() -> None:
    assert parsed(stream=True).question.stays
    assert parsed({"Idempotency-Key": "k"}).question.stays
    assert not parsed().question.stays
    assert not parsed(stream=True, on_disconnect="cancel").question.stays


def test_a_key_is_visible_ascii() -> None:
    assert idempotency_key(Headers({})) == ""
    assert idempotency_key(Headers({"Idempotency-Key": "k/1"})) == "k/1"
    for bad in ("", "a b", "k" * 256):
        with pytest.raises(InvalidRequestError):
            idempotency_key(Headers({"Idempotency-Key": bad}))


@pytest.mark.parametrize("number", [0, 10**400, -(10**400), 1.5, True, "1", [], {}])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "seed", "temperature", "top_p", "n"])
def test_a_number_is_taken_or_refused_by_name(name: str, number: object) -> None:
    refusal = _refusal(json.dumps({"messages": HELLO, name: number}).encode())
    assert refusal is None or list(refusal.fields) == [name]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
MESSAGES = st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "name", "tool_calls"]), VALUES | st.just("user")), max_size=3
)


@given(raw=st.binary())
def test_any_bytes_are_a_request_or_refused(raw: bytes) -> None:
    _accepted_or_refused(raw)


@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "messages": MESSAGES | VALUES | st.just(HELLO),
            "model": VALUES,
            "conversation_id": VALUES,
            "max_tokens": VALUES,
            "temperature": VALUES,
            "stop": VALUES,
            "stream": VALUES,
            "stream_options": VALUES,
            "response_format": VALUES,
            "parent_id": VALUES | st.just("1"),
            "unknown\ud800": VALUES,
        },
    )
)
def test_any_json_is_a_request_or_refused(body: dict[str, Any]) -> None:
    _accepted_or_refused(json.dumps(body).encode())


def _accepted_or_refused(raw: bytes) -> None:
    refusal = _refusal(raw)
    if refusal is not None:
        assert refusal.metadata["problem"]
        # What an answer repeats can be encoded.
        str(refusal.fields).encode()


def _refusal(raw: bytes) -> InvalidRequestError | None:
    try:
        request = chat_request(parse(raw), Headers({}))
    except InvalidRequestError as error:
        return error
    # What is handed on fits the wire.
    turn_request("req_1", Principal("usr_1"), request.question).SerializeToString()
    return None
