"""Reading a provider's stream, however the network cuts it."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.domain import FinishReason, Usage
from services.chat.sse import StreamError, StreamReader


def event(**body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def delta(text: str) -> bytes:
    return event(id="x", choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


STREAM = (
    event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])
    + b": a comment\n\n"
    + delta("鹊桥仙")
    + delta("，纤云弄巧😀").replace(b"\n", b"\r\n")
    + event(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}])
    + event(
        choices=[], usage={"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
    )
    + b"data: [DONE]\n\n"
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_cutting_of_the_bytes_reads_the_same(cuts: list[int]) -> None:
    reader = StreamReader()
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [reader.feed(STREAM[a:b]) for a, b in itertools.pairwise(edges)]
    read = [chunk for chunk in chunks if chunk]
    assert "".join(chunk.text for chunk in read) == "鹊桥仙，纤云弄巧😀"
    assert [chunk.finish_reason for chunk in read if chunk.finish_reason] == [FinishReason.LENGTH]
    assert [chunk.usage for chunk in read if chunk.usage] == [Usage(input=9, output=4, cached_input=3)]
    assert reader.done


@pytest.mark.parametrize(
    "bad", [b"data: {not json\n", b'data: {"error": {"message": "boom"}}\n', b'data: {"choices": 3}\n', b"data: \xff\n"]
)
def test_what_is_no_completion_is_an_error(bad: bytes) -> None:
    with pytest.raises(StreamError):
        StreamReader().feed(bad)


def test_a_line_without_an_end_is_not_collected_for_ever() -> None:
    reader = StreamReader()
    for _ in range(10):
        reader.feed(b"x" * 100_000)
    with pytest.raises(StreamError):
        reader.feed(b"x" * 100_000)
