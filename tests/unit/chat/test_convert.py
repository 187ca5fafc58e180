"""What the wire may ask for."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from queqiao.chat.v1 import chat_pb2

from services.chat import convert
from services.chat.domain import Options, Role
from services.runtime.errors import InvalidRequestError


def request(**changes: Any) -> chat_pb2.StreamTurnRequest:
    fields: dict[str, Any] = {
        "request_id": "r",
        "user_id": "u",
        "messages": [chat_pb2.Message(role=chat_pb2.ROLE_USER, content="hi")],
    }
    return chat_pb2.StreamTurnRequest(**fields | changes)


def test_absent_parameters_stay_absent_and_zero_is_not_absent() -> None:
    assert convert.question(request()).options == Options()
    given_zero = chat_pb2.GenerationParameters(temperature=0.0, seed=0)
    assert convert.question(request(parameters=given_zero)).options == Options(temperature=0.0, seed=0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"user_id": "a b"}, "user_id"),
        ({"conversation_id": "x" * 65}, "conversation_id"),
        ({"conversation_id": "../x"}, "conversation_id"),
        ({"messages": []}, "messages"),
        ({"messages": [chat_pb2.Message(role=chat_pb2.ROLE_USER)] * 257}, "messages"),
        ({"messages": [chat_pb2.Message(content="x")]}, "messages[0].role"),
        ({"messages": [chat_pb2.Message(role=chat_pb2.ROLE_USER)]}, "messages[0].content"),
        ({"parameters": chat_pb2.GenerationParameters(max_output_tokens=0)}, "max_output_tokens"),
        ({"parameters": chat_pb2.GenerationParameters(temperature=2.1)}, "temperature"),
        ({"parameters": chat_pb2.GenerationParameters(top_p=float("nan"))}, "top_p"),
        ({"parameters": chat_pb2.GenerationParameters(stop=["a"] * 5)}, "stop"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        convert.question(request(**changes))
    assert list(caught.value.fields) == [field]


@given(st.binary(max_size=300))
def test_any_bytes_that_parse_are_a_question_or_a_refusal(data: bytes) -> None:
    parsed = chat_pb2.StreamTurnRequest()
    try:
        parsed.ParseFromString(data)
        assert convert.question(parsed).messages[0].role in Role
    except (InvalidRequestError, DecodeError):
        pass
