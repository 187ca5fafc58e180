"""What a chat completion request may say. The table of bad bodies is in the integration tests of the gateway."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.convert.chat import turn_request
from services.gateway.domain import Asker, Message, Parameters, Role
from services.gateway.requests import ChatRequest, chat_request, login_code, refresh_token
from services.runtime.errors import InvalidRequestError

HELLO = [{"role": "user", "content": "你好"}]


def parsed(**body: Any) -> ChatRequest:
    return chat_request(json.dumps({"messages": HELLO, **body}).encode())


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


@pytest.mark.parametrize("role", ["tool", "function"])
def test_messages_of_tools_are_refused(role: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parsed(messages=[{"role": role, "content": "x", "tool_call_id": "1"}])
    assert list(caught.value.fields) == ["messages[0].tool_call_id"]
    assert caught.value.metadata["problem"] == "unsupported"


@pytest.mark.parametrize("number", [0, 10**400, -(10**400), 1.5, True, "1", [], {}])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "seed", "temperature", "top_p", "n"])
def test_a_number_is_taken_or_refused_by_name(name: str, number: object) -> None:
    refusal = _refusal(json.dumps({"messages": HELLO, name: number}).encode())
    assert refusal is None or list(refusal.fields) == [name]


def test_codes_and_tokens_are_texts() -> None:
    assert login_code(b'{"code":"abc"}') == "abc"
    assert refresh_token(b'{"refresh_token":"abc"}') == "abc"
    for bad in ("", "x" * 513, "a\x00"):
        with pytest.raises(InvalidRequestError):
            login_code(json.dumps({"code": bad}).encode())


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
        request = chat_request(raw)
    except InvalidRequestError as error:
        return error
    # What is handed on fits the wire.
    turn_request("req_1", Asker("usr_1"), request.question).SerializeToString()
    return None
