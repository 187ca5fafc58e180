"""Whatever people or models can read in a message is found: what is not found is neither moderated nor counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.texts import images_of, texts_of
from services.runtime.errors import InvalidRequestError


def texts(value: dict[str, Any]) -> list[str]:
    return list(texts_of(json.dumps(value)))


def image(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def test_texts_are_found_in_their_order_and_names_of_kinds_are_not_texts() -> None:
    body = {
        "role": "user",
        "name": "小明",
        "content": [{"type": "text", "text": "你好"}, {"type": "text", "text": "吗"}],
    }
    assert texts(body) == ["小明", "你好", "吗"]
    assert list(texts_of("")) == []


def test_names_and_arguments_of_tool_calls_and_results_are_texts() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "杭州"}'}}
    assert texts({"role": "assistant", "content": None, "tool_calls": [call]}) == ["weather", '{"city": "杭州"}']
    assert texts({"role": "tool", "tool_call_id": "call_1", "content": "晴"}) == ["晴"]


def test_a_schema_s_descriptions_and_foreign_names_are_texts() -> None:
    schema = {"type": "object", "properties": {"城市": {"type": "string", "description": "where", "enum": ["杭州"]}}}
    assert texts({"parameters": schema}) == ["城市", "where", "杭州"]


def test_where_an_image_is_and_its_data_are_no_texts() -> None:
    parts = [image("data:image/png;base64,iVBORw0KGgo="), image("https://a.example/b.png?c=d", detail="low")]
    assert texts({"role": "user", "content": [*parts, {"type": "text", "text": "这是什么"}]}) == ["这是什么"]


@pytest.mark.parametrize("written", ["https://写什么都在这里", "data:whatever-people-write", "http://a.example/"])
def test_an_address_that_a_user_writes_is_a_text(written: str) -> None:
    assert texts({"role": "user", "content": written}) == [written]
    assert texts({"role": "user", "content": [{"type": "text", "text": written}]}) == [written]
    assert texts({"url": written}) == [written]


def test_what_is_no_address_is_a_text_where_an_image_should_be() -> None:
    assert texts({"content": [image("画里的字")]}) == ["画里的字"]
    assert texts({"content": [image("https://a.example/画里的字")]}) == ["https://a.example/画里的字"]


def test_what_is_no_name_of_a_kind_is_a_text_where_a_kind_should_be() -> None:
    assert texts({"type": "not a type at all"}) == ["not a type at all"]
    assert texts({"id": "身份"}) == ["身份"]
    assert texts({"type": {"deeper": "text"}}) == ["text"]


@given(st.text(min_size=1), st.sampled_from(["content", "text", "description", "arguments", "url", "reasoning"]))
def test_no_text_is_lost_wherever_it_is(written: str, name: str) -> None:
    assert written in texts({"a": [{"b": {name: written}}]})


def test_each_image_says_how_closely_it_is_looked_at() -> None:
    parts = [image("https://a.example/1"), {"type": "text", "text": "x"}, image("https://a.example/2", detail="low")]
    assert list(images_of(json.dumps({"content": parts}))) == ["auto", "low"]
    assert list(images_of(json.dumps({"content": "text"}))) == list(images_of("")) == []
    assert list(images_of(json.dumps({"content": [{"type": "image_url", "image_url": "https://a.example/3"}]}))) == [
        "auto"
    ]


@pytest.mark.parametrize("wrong", ["{", "[]", '"text"', "nonsense", '{"a": ' * 5_000 + "1" + "}" * 5_000])
def test_what_is_no_object_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidRequestError):
        list(texts_of(wrong))


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep: Any = "text"
    for _ in range(65):
        deep = {"a": deep}
    with pytest.raises(InvalidRequestError, match="too deeply"):
        texts(deep)
    assert texts(deep["a"]) == ["text"]
