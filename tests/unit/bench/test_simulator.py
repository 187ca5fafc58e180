"""The simulated provider, as OpenAI's own client reads it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from bench.answer import passage
from bench.simulator_process import SimulatorProcess

pytestmark = pytest.mark.xdist_group("clock")

ANSWER = "".join(passage(16, 1))


@pytest.fixture
async def client(simulator: SimulatorProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=simulator.url, api_key="sk-any", max_retries=0) as client:
        yield client


async def streamed(client: openai.AsyncOpenAI, question: str, usage: bool = False) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model="simulated",
        stream=True,
        messages=[{"role": "user", "content": question}],
        stream_options={"include_usage": True} if usage else openai.omit,
    )
    return [chunk async for chunk in stream]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def newest(simulator: SimulatorProcess, model: str) -> dict[str, object]:
    """What the simulator knows of the newest request for `model`."""
    requests = (await simulator.stats())["requests"]
    assert isinstance(requests, list)
    found: dict[str, object] = next(request for request in reversed(requests) if request["model"] == model)
    return found


async def test_it_offers_one_model(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["simulated"]


async def test_a_stream_is_role_deltas_finish_and_usage(client: openai.AsyncOpenAI) -> None:
    chunks = await streamed(client, "你好", usage=True)
    role, *deltas, finish, usage = chunks
    assert role.choices[0].delta.role == "assistant"
    assert text_of([role]) == ""
    assert len(deltas) == 16
    assert text_of(chunks) == ANSWER
    assert finish.choices[0].finish_reason == "stop"
    assert usage.choices == []
    assert usage.usage is not None
    assert (usage.usage.prompt_tokens, usage.usage.completion_tokens) == (2, len(ANSWER))
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_usage_is_left_out_unless_it_is_asked_for(client: openai.AsyncOpenAI) -> None:
    assert (await streamed(client, "你好"))[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in await streamed(client, "[[sim no_usage]]", usage=True))


async def test_a_whole_answer_has_text_and_usage(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="any", messages=[{"role": "user", "content": "[[sim text=你|好 cached_tokens=1]]"}], max_tokens=9
    )
    assert answer.choices[0].message.content == "你好"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 1


async def test_max_tokens_cuts_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m", stream=True, max_completion_tokens=5, messages=[{"role": "user", "content": "你好"}]
    )
    chunks = [chunk async for chunk in stream]
    assert text_of(chunks) == ANSWER[:5]
    assert chunks[-1].choices[0].finish_reason == "length"


async def test_an_echo_shows_all_messages_that_were_received(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m",
        stream=True,
        messages=[{"role": "system", "content": "简短"}, {"role": "user", "content": "你好[[sim echo]]"}],
    )
    echoed = json.loads(text_of([chunk async for chunk in stream]))
    assert echoed == [{"role": "system", "content": "简短"}, {"role": "user", "content": "你好[[sim echo]]"}]


async def test_deltas_come_at_their_times(client: openai.AsyncOpenAI) -> None:
    begun = time.monotonic()
    stream = await client.chat.completions.create(
        model="m",
        stream=True,
        messages=[{"role": "user", "content": "[[sim deltas=4 first_ms=150 interval_ms=50]]"}],
    )
    at = [time.monotonic() - begun async for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
    assert at[0] >= 0.145
    assert at[3] >= 0.295
    # Due times are absolute: a slow machine may be late, but delays do not add up.
    assert at[3] < 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_an_error_is_raised_as_the_clients_own(
    client: openai.AsyncOpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as raised:
        await streamed(client, f"[[sim status={status} retry_after=7]]")
    assert raised.value.status_code == status
    assert raised.value.response.headers["retry-after"] == "7"
    assert f"status {status}" in raised.value.message


async def test_a_directive_that_is_wrong_is_a_bad_request(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="has no key 'speed'"):
        await streamed(client, "[[sim speed=9]]")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"messages":[]}', b'{"model":"m","messages":[]}'])
async def test_a_body_that_is_wrong_is_a_bad_request(simulator: SimulatorProcess, body: bytes) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{simulator.url}/chat/completions", data=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_a_cut_breaks_the_stream_after_the_deltas_asked_for(
    client: openai.AsyncOpenAI, simulator: SimulatorProcess
) -> None:
    received = []
    stream = await client.chat.completions.create(
        model="cut", stream=True, messages=[{"role": "user", "content": "[[sim text=一|二|三 cut_after=2]]"}]
    )
    with pytest.raises(openai.APIConnectionError):
        async for chunk in stream:
            received.append(chunk)  # what came before the break is the point
    assert text_of(received) == "一二"
    seen = await newest(simulator, "cut")
    assert seen["cancelled"] is False
    assert seen["finished_at"] is not None


@pytest.mark.parametrize("stall", ["stall_after=2", "deltas=9999 interval_ms=50"])
async def test_a_client_that_leaves_is_noticed_at_once(
    client: openai.AsyncOpenAI, simulator: SimulatorProcess, stall: str
) -> None:
    before = await simulator.stats()
    stream = await client.chat.completions.create(
        model=f"left {stall}", stream=True, messages=[{"role": "user", "content": f"[[sim {stall}]]"}]
    )
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    assert (await newest(simulator, f"left {stall}"))["finished_at"] is None
    left_at = time.time()
    await stream.close()
    async with asyncio.timeout(1):
        while not (seen := await newest(simulator, f"left {stall}"))["cancelled"]:
            await asyncio.sleep(0.005)
    finished_at = seen["finished_at"]
    assert isinstance(finished_at, float)
    assert finished_at - left_at < 0.5
    after = await simulator.stats()
    assert after["cancelled"] == int(str(before["cancelled"])) + 1
    assert after["live"] == 0
    assert isinstance(after["last_cancel_after_ms"], float)


@pytest.mark.parametrize("badly", ["crlf", "comments", "piece_bytes=1", "piece_bytes=7 crlf comments", "done_twice"])
async def test_what_the_protocol_allows_is_read_as_ever(client: openai.AsyncOpenAI, badly: str) -> None:
    assert text_of(await streamed(client, f"[[sim text=喜鹊|搭桥 {badly}]]")) == "喜鹊搭桥"


async def test_what_it_does_not_allow_is_as_bad_as_asked_for(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(json.JSONDecodeError):
        await streamed(client, "[[sim bad_json]]")
    assert all(not chunk.choices[0].finish_reason for chunk in await streamed(client, "[[sim no_finish]]"))
    with pytest.raises(openai.APIConnectionError):
        await streamed(client, "[[sim text=喜鹊|搭桥 cut_after=1 torn]]")


async def test_a_client_that_leaves_a_whole_answer_is_noticed_too(
    client: openai.AsyncOpenAI, simulator: SimulatorProcess
) -> None:
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.2).chat.completions.create(
            model="impatient", messages=[{"role": "user", "content": "[[sim first_ms=60000]]"}]
        )
    async with asyncio.timeout(1):
        while not (await newest(simulator, "impatient"))["cancelled"]:
            await asyncio.sleep(0.005)


async def test_trace_context_is_seen_and_the_key_is_not(
    client: openai.AsyncOpenAI, simulator: SimulatorProcess
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await client.chat.completions.create(
        model="traced", messages=[{"role": "user", "content": "你好"}], extra_headers={"Traceparent": trace}
    )
    seen = await newest(simulator, "traced")
    headers = seen["headers"]
    assert isinstance(headers, dict)
    assert headers["traceparent"] == trace
    assert "authorization" not in headers
    assert seen["messages_count"] == 1


async def test_it_ends_when_its_owner_does() -> None:
    async with SimulatorProcess() as process:
        assert process.url.startswith("http://127.0.0.1:")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{process.url}/models")
