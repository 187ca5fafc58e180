"""Reading a provider's stream, however the network cuts it."""

import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.domain import Channel, Chunk, FinishReason, Piece, ToolCall, Usage
from services.chat.upstreams.sse import StreamError, StreamReader


def event(**body: object) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def delta(finish_reason: str | None = None, **fields: object) -> bytes:
    return event(id="x", choices=[{"index": 0, "delta": fields, "finish_reason": finish_reason}])


def tool(index: int, arguments: str, **first: str) -> bytes:
    call = {"index": index, "function": {"arguments": arguments}}
    if first:
        call |= {"id": first["id"], "type": "function", "function": {"name": first["name"], "arguments": arguments}}
    return delta(tool_calls=[call])


STREAM = (
    delta(role="assistant", content="")
    + b": a comment\n\n"
    + delta(reasoning_content="想一")
    + delta(reasoning="想😀")
    + delta(content="鹊桥仙")
    + delta(content="，纤云弄巧😀").replace(b"\n", b"\r\n")
    + delta(refusal="不。")
    + tool(0, "", id="call_a", name="weather")
    + tool(0, '{"city":')
    + tool(0, '"长沙"}')
    + tool(1, "{}", id="call_b", name="time")
    + delta("tool_calls")
    + event(
        choices=[], usage={"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
    )
    + b"data: [DONE]\n\n"
)
PIECES = [
    Piece("想一想😀", Channel.REASONING),
    Piece("鹊桥仙，纤云弄巧😀不。"),
    Piece('{"city":"长沙"}', Channel.TOOL_CALL, ToolCall(0, "call_a", "weather")),
    Piece("{}", Channel.TOOL_CALL, ToolCall(1, "call_b", "time")),
]

cuts_of = st.lists(st.integers(0, len(STREAM)), max_size=40)


def joined(chunks: Iterable[Chunk | None]) -> list[Piece]:
    """The pieces of all chunks, as one where they continue each other."""
    pieces: list[Piece] = []
    for piece in itertools.chain.from_iterable(chunk.pieces for chunk in chunks if chunk):
        last = pieces[-1] if pieces else None
        opens = piece.tool is not None and piece.tool.id
        if last and last.channel is piece.channel and not opens:
            pieces[-1] = Piece(last.text + piece.text, last.channel, last.tool)
        else:
            pieces.append(piece)
    return pieces


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    return [stream[a:b] for a, b in itertools.pairwise([0, *sorted(cuts), len(stream)])]


@given(cuts=cuts_of)
def test_any_cutting_of_the_bytes_reads_the_same(cuts: list[int]) -> None:
    reader = StreamReader()
    read = [chunk for chunk in map(reader.feed, cut(STREAM, cuts)) if chunk]
    assert joined(read) == PIECES
    assert [chunk.finish_reason for chunk in read if chunk.finish_reason] == [FinishReason.TOOL_CALLS]
    assert [chunk.usage for chunk in read if chunk.usage] == [Usage(input=9, output=4, cached_input=3)]
    assert reader.done


def test_what_comes_at_once_is_one_chunk_of_one_piece_for_each_channel_and_tool() -> None:
    assert StreamReader().feed(STREAM) == Chunk(tuple(PIECES), FinishReason.TOOL_CALLS, Usage(9, 4, 3))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("insufficient_system_resource", FinishReason.STOP),
    ],
)
def test_each_reason_to_end_is_one_of_ours(said: str, meant: FinishReason) -> None:
    assert StreamReader().feed(delta(said)) == Chunk(finish_reason=meant)


def test_what_providers_leave_null_is_left_out() -> None:
    stream = (
        event(choices=None)
        + event(choices=[{"delta": None, "finish_reason": None}], usage=None, error=None)
        + delta(content=None, tool_calls=[{"index": 0, "function": None}])
    )
    chunk = StreamReader().feed(stream)
    assert chunk == Chunk((Piece("", Channel.TOOL_CALL, ToolCall(0)),))


BAD = [
    b"data: {not json\n",
    b'data: {"error": {"message": "boom"}}\n',
    b'data: {"choices": 3}\n',
    b"data: \xff\n",
    b'data: {"choices":[{"delta":{"content":"\xe9\xb9"}}]}\n',
]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_completion_is_an_error(bad: bytes) -> None:
    with pytest.raises(StreamError):
        StreamReader().feed(bad)


@given(cuts=st.lists(st.integers(0, 600), max_size=20), bad=st.sampled_from(BAD))
def test_what_came_before_something_broken_is_given_first_however_it_is_cut(cuts: list[int], bad: bytes) -> None:
    reader = StreamReader()
    read: list[Chunk | None] = []
    with pytest.raises(StreamError):
        for data in cut(delta(content="前半") + delta(content="句") + bad + delta(content="never"), cuts):
            read.append(reader.feed(data))
            reader.demand_sound()
    assert joined(read) == [Piece("前半句")]
    with pytest.raises(StreamError):
        reader.feed(delta(content="no more"))


def test_nothing_after_the_end_is_read() -> None:
    reader = StreamReader()
    assert reader.feed(delta(content="好") + b"data: [DONE]\n\ndata: [DONE]\n\ndata: {\n\n") == Chunk((Piece("好"),))
    reader.demand_sound()


def test_a_line_without_an_end_is_not_collected_for_ever() -> None:
    reader = StreamReader()
    for _ in range(10):
        reader.feed(b"x" * 100_000)
    with pytest.raises(StreamError):
        reader.feed(b"x" * 100_000)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4}, Usage(9, 4)),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2},
            Usage(10, 4, cached_input=8),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "prompt_cache_hit_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 3},
            },
            Usage(10, 4, cached_input=3),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(9, 7, reasoning=3),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 8}},
            Usage(9, 7),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": None},
            },
            Usage(9, 7),
        ),
    ],
    ids=["plain", "deepseek's words", "openai's words win", "reasoning", "more reasoning than answer", "nulls"],
)
def test_every_providers_words_for_usage_are_read(told: dict[str, object], usage: Usage) -> None:
    chunk = StreamReader().feed(event(choices=[], usage=told))
    assert chunk is not None
    assert chunk.usage == usage


def test_likelihoods_of_tokens_are_kept_as_they_came() -> None:
    tokens = [
        {"token": "鹊", "logprob": -0.1, "bytes": [233, 185, 138], "top_logprobs": []},
        {"token": "桥", "logprob": -0.2, "bytes": None, "top_logprobs": []},
    ]
    choice = {"index": 0, "delta": {"content": "鹊桥"}, "logprobs": {"content": tokens}}
    chunk = StreamReader().feed(event(choices=[choice]) + event(choices=[{"delta": {}, "logprobs": None}]))
    assert chunk is not None
    assert [json.loads(token) for token in chunk.logprobs] == tokens
