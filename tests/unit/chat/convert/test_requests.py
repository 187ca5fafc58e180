"""What the wire may ask for."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from queqiao.chat.v1 import chat_pb2

from services.chat.convert import requests
from services.chat.domain import CachePolicy, Message, Options, Place, Role, Where
from services.runtime.errors import InvalidRequestError


def request(**changes: Any) -> chat_pb2.StreamTurnRequest:
    fields: dict[str, Any] = {
        "request_id": "r",
        "user_id": "u",
        "messages": [chat_pb2.Message(role=chat_pb2.ROLE_USER, content="hi")],
    }
    return chat_pb2.StreamTurnRequest(**fields | changes)


def user(**fields: Any) -> chat_pb2.Message:
    return chat_pb2.Message(role=chat_pb2.ROLE_USER, **fields)


def test_absent_parameters_stay_absent_and_zero_is_not_absent() -> None:
    assert requests.question(request()).options == Options()
    given_zero = chat_pb2.GenerationParameters(temperature=0.0, seed=0)
    assert requests.question(request(parameters=given_zero)).options == Options(temperature=0.0, seed=0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": "x" * 61}, "request_id"),
        ({"tenant": "a b"}, "tenant"),
        ({"after_number": 1}, "after_number"),
        ({"after_number": -1, "conversation_id": "c"}, "after_number"),
        ({"regenerate_number": 0, "conversation_id": "c", "messages": []}, "regenerate_number"),
        ({"continue_number": 2, "conversation_id": "c"}, "messages"),
        ({"messages": [chat_pb2.Message(role=chat_pb2.ROLE_TOOL, content="x")]}, "messages[0].json"),
        ({"messages": [user(json="[]")]}, "messages[0].json"),
        ({"messages": [user(json='{"role":"system","content":"x"}')]}, "messages[0].json"),
        ({"messages": [user(json='{"role":"user"}', content="x")]}, "messages[0].content"),
        ({"parameters": chat_pb2.GenerationParameters(extra_json="x" * 300_000)}, "extra_json"),
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
        requests.question(request(**changes))
    assert list(caught.value.fields) == [field]


@given(st.binary(max_size=300))
def test_any_bytes_that_parse_are_a_question_or_a_refusal(data: bytes) -> None:
    parsed = chat_pb2.StreamTurnRequest()
    try:
        parsed.ParseFromString(data)
        assert requests.question(parsed).messages[0].role in Role
    except (InvalidRequestError, DecodeError):
        pass


def test_a_message_that_is_more_than_text_keeps_its_form_and_shows_its_text_to_moderation() -> None:
    json = '{"role":"user","content":[{"type":"text","text":"看图"},{"type":"image_url","image_url":{"url":"data:x"}}]}'
    assert requests.question(request(messages=[user(json=json)])).messages == (Message(Role.USER, "看图", json=json),)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, Place()),
        ({"after_number": 0}, Place(Where.AFTER, 0)),
        ({"after_number": 7}, Place(Where.AFTER, 7)),
        ({"regenerate_number": 2, "messages": []}, Place(Where.REGENERATE, 2)),
        ({"continue_number": 2, "messages": []}, Place(Where.CONTINUE, 2)),
    ],
)
def test_a_turn_takes_place_where_it_says(fields: dict[str, Any], place: Place) -> None:
    assert requests.question(request(conversation_id="c", **fields)).place == place


def test_a_way_of_caching_that_is_younger_than_this_code_caches_nothing() -> None:
    assert requests.question(request()).cache is CachePolicy.USE
    assert requests.question(request(cache=99)).cache is CachePolicy.NO_STORE


def test_the_fingerprint_is_of_what_is_asked_and_not_of_how_the_caller_listens() -> None:
    one = requests.fingerprint(request())
    assert requests.fingerprint(request(cancel_on_disconnect=True)) == one
    for change in ({"model": "other"}, {"openid": "o"}, {"messages": [user(content="ho")]}, {"tenant": "t"}):
        assert requests.fingerprint(request(**change)) != one


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"request_id": "a/b"}, "request_id"), ({"user_id": ""}, "user_id"), ({"after": -1}, "after")],
)
def test_a_turn_that_cannot_be_is_refused_by_name(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        requests.turn_key(chat_pb2.ResumeTurnRequest(**{"request_id": "r", "user_id": "u", **fields}))
    assert list(caught.value.fields) == [wrong]
