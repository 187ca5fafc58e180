"""OpenAI's shapes, judged by the official client's own types."""

import json

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from services.gateway.chat.completions import ChunkWriter, EventId, completion, error_event, event_id
from services.gateway.chat.domain import Completed, Delta, ToolCall
from tests.sent_events import SentEvent, sent_events

DONE = Completed("stop", 7, 2, 5, position=12)
CALLS = [
    Delta(tool_call=ToolCall(0, "call_a", "f", ""), position=1),
    Delta(tool_call=ToolCall(1, "call_b", "g", '{"x"'), position=7),
    Delta(tool_call=ToolCall(0, "", "", "{}"), position=9),
    Delta(tool_call=ToolCall(1, "", "", ":1}"), position=12),
]


def writer(*, include_usage: bool = False, conversation_id: str = "") -> ChunkWriter:
    return ChunkWriter("req_1", "m", 1, include_usage=include_usage, conversation_id=conversation_id)


def events(stream: bytes) -> list[SentEvent]:
    return sent_events(stream.decode())


@given(text=st.text(min_size=1))
def test_any_text_survives_and_stays_one_event(text: str) -> None:
    ((name, data),) = events(writer().delta(Delta(text, position=7)))
    assert (name, "\n" in data) == ("7", False)
    assert ChatCompletionChunk.model_validate_json(data).choices[0].delta.content == text


@given(model=st.one_of(st.text(), st.just('"content":""'), st.just('content":"')), include_usage=st.booleans())
def test_every_event_of_an_answer_has_all_else_as_the_first_one_whatever_its_model_is_called(
    model: str, include_usage: bool
) -> None:
    answer = ChunkWriter("req_1", "before", 1, include_usage=include_usage)
    answer.delta(Delta("x", position=1))
    answer.model = model
    ((_, opening),) = events(answer.opening())
    for text in ('"content":""', "y"):
        ((_, data),) = events(answer.delta(Delta(text, position=2)))
        expected = json.loads(opening)
        expected["choices"][0]["delta"] = {"content": text}
        assert json.loads(data) == expected


def test_an_empty_text_is_said_only_where_the_role_is() -> None:
    ((name, data),) = events(writer().opening())
    assert (name, json.loads(data)["choices"][0]["delta"]) == ("0", {"role": "assistant", "content": ""})


def test_thoughts_and_tool_calls_have_places_of_their_own() -> None:
    ((_, data),) = events(writer().delta(Delta(reasoning="想", position=1)))
    assert json.loads(data)["choices"][0]["delta"] == {"reasoning_content": "想"}
    pieces = []
    for delta in CALLS:
        ((_, data),) = events(writer().delta(delta))
        (piece,) = ChatCompletionChunk.model_validate_json(data).choices[0].delta.tool_calls or [
            ChoiceDeltaToolCall(index=-1)
        ]
        assert piece.function
        pieces.append((piece.index, piece.id, piece.type, piece.function.name, piece.function.arguments))
    assert pieces == [
        (0, "call_a", "function", "f", ""),
        (1, "call_b", "function", "g", '{"x"'),
        (0, None, None, None, "{}"),
        (1, None, None, None, ":1}"),
    ]


def test_usage_comes_with_the_last_chunk_or_in_one_of_its_own() -> None:
    last, done = events(writer().closing(DONE))
    assert done == ("12.2", "[DONE]")
    assert json.loads(last[1])["usage"]["total_tokens"] == 12
    finish, usage, done = events(writer(include_usage=True).closing(DONE))
    assert json.loads(finish[1])["usage"] is None
    assert (json.loads(usage[1])["choices"], json.loads(usage[1])["usage"]["total_tokens"]) == ([], 12)
    assert done == ("12.3", "[DONE]")


def test_whoever_has_some_of_the_closing_events_is_sent_the_others() -> None:
    whole = events(writer(include_usage=True).closing(DONE))
    for received in range(4):
        assert events(writer(include_usage=True).closing(DONE, received=received)) == whole[received:]


def test_an_id_is_a_place_in_the_answer() -> None:
    assert event_id("12") == EventId(12)
    assert event_id("12.2") == EventId(12, 2)
    for bad in ("", "x", "-1", "1.0", "1.", "1.22", "9" * 16, "１２"):
        assert event_id(bad) is None


def test_a_conversation_says_which_messages_were_made() -> None:
    last, _ = events(writer(conversation_id="c").closing(Completed("stop", 7, 2, 5, question=3, answer=4)))
    assert json.loads(last[1])["conversation"] == {"id": "c", "question_id": "3", "answer_id": "4"}
    last, _ = events(writer(conversation_id="c").closing(DONE))
    assert json.loads(last[1])["conversation"] == {"id": "c", "question_id": None, "answer_id": None}


def test_a_whole_answer() -> None:
    deltas = [Delta(reasoning="想"), Delta("好"), Delta("的")]
    body = completion("req_1", "m", 1, deltas, DONE)
    answer = ChatCompletion.model_validate_json(body)
    assert (answer.id, answer.created, answer.model) == ("chatcmpl-req_1", 1, "m")
    message = json.loads(body)["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"], "tool_calls" in message) == ("好的", "想", False)
    assert "conversation" not in json.loads(body)


def test_a_whole_answer_of_tool_calls_has_no_content() -> None:
    message = ChatCompletion.model_validate_json(completion("req_1", "m", 1, CALLS, DONE)).choices[0].message
    assert message.content is None
    calls = [(call.id, call.function) for call in message.tool_calls or () if call.type == "function"]
    assert [(name, call.name, call.arguments) for name, call in calls] == [
        ("call_a", "f", "{}"),
        ("call_b", "g", '{"x":1}'),
    ]


def test_an_error_is_one_event() -> None:
    assert error_event(b'{"error":{}}') == b'data: {"error":{}}\n\n'
