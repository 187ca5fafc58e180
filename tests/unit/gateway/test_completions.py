"""OpenAI's shapes, judged by the official client's own types."""

import json

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from services.gateway.completions import ChunkWriter, completion, error_event
from services.gateway.domain import Completed

DONE = Completed("stop", 7, 2, 5)


def events(stream: bytes) -> list[str]:
    *parts, rest = stream.decode().split("\n\n")
    assert rest == ""
    return [part.removeprefix("data: ") for part in parts]


@given(text=st.text())
def test_any_text_survives_and_stays_one_event(text: str) -> None:
    (event,) = events(ChunkWriter("req_1", "m", 1, include_usage=False).text(text))
    assert "\n" not in event
    assert ChatCompletionChunk.model_validate_json(event).choices[0].delta.content == text


def test_an_empty_text_is_said_only_where_the_role_is() -> None:
    (event,) = events(ChunkWriter("req_1", "m", 1, include_usage=False).opening())
    assert json.loads(event)["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_usage_comes_with_the_last_chunk_or_in_one_of_its_own() -> None:
    last, done = events(ChunkWriter("req_1", "m", 1, include_usage=False).closing(DONE))
    assert done == "[DONE]"
    assert json.loads(last)["usage"]["total_tokens"] == 12
    finish, usage, done = events(ChunkWriter("req_1", "m", 1, include_usage=True).closing(DONE))
    assert json.loads(finish)["usage"] is None
    assert (json.loads(usage)["choices"], json.loads(usage)["usage"]["total_tokens"]) == ([], 12)
    assert done == "[DONE]"


def test_a_whole_answer() -> None:
    answer = ChatCompletion.model_validate_json(completion("req_1", "m", 1, "好", DONE))
    assert (answer.id, answer.created, answer.model) == ("chatcmpl-req_1", 1, "m")
    assert answer.choices[0].message.content == "好"


def test_an_error_is_one_event() -> None:
    assert error_event(b'{"error":{}}') == b'data: {"error":{}}\n\n'
