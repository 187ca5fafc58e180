"""One key of a provider over its wire, against a simulated one that misbehaves on demand."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry import trace
from pydantic import SecretStr

from bench.simulator_process import SimulatorProcess
from sandbox.ports import free_ports
from services.chat.domain import Channel, Chunk, FinishReason, Message, Model, Options, Piece, Role, ToolCall, Usage
from services.chat.upstreams.failures import CallFailedError, Kind
from services.chat.upstreams.provider import ProviderClient
from services.chat.upstreams.settings import ProviderSettings

MODEL = Model("simulated", 8192, 1024, "o200k_base")
SECRET = "sk-secret-of-the-provider"


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[SimulatorProcess]:
    async with SimulatorProcess("--first-token-ms", "0", "--interval-ms", "0", "--deltas", "4") as simulator:
        yield simulator


async def connected(url: str, **settings: Any) -> AsyncIterator[ProviderClient]:
    known = ProviderSettings("sim", url, (), silence_timeout_s=0.5, **settings)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=0.5, sock_read=known.silence_timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield ProviderClient(session, SecretStr(SECRET), known, trace.NoOpTracer())


@pytest.fixture
async def provider(simulator: SimulatorProcess) -> AsyncIterator[ProviderClient]:
    async for provider in connected(simulator.url):
        yield provider


@asynccontextmanager
async def listing(body: str, status: int = 200) -> AsyncIterator[str]:
    """A provider that says this of its models, and of every question."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json", status=status)

    application = web.Application()
    application.router.add_get("/v1/models", answer)
    application.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_ports(1)[0]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/v1"
    await runner.cleanup()


async def ask(provider: ProviderClient, *prompt: Message, options: Options | None = None) -> list[Chunk]:
    async with provider.answer(MODEL, prompt, options or Options()) as chunks:
        return [chunk async for chunk in chunks]


def user(text: str) -> Message:
    return Message(Role.USER, text)


def said(chunks: list[Chunk], channel: Channel = Channel.TEXT) -> str:
    return "".join(piece.text for chunk in chunks for piece in chunk.pieces if piece.channel is channel)


def ends(chunks: list[Chunk]) -> list[FinishReason | Usage]:
    return [end for chunk in chunks for end in (chunk.finish_reason, chunk.usage) if end is not None]


async def test_an_answer_is_text_then_reason_then_usage(provider: ProviderClient) -> None:
    chunks = await ask(provider, user("[[sim text=你|好 prompt_tokens=9 completion_tokens=2 cached_tokens=3]]"))
    assert said(chunks) == "你好"
    assert ends(chunks) == [FinishReason.STOP, Usage(input=9, output=2, cached_input=3)]


async def test_only_what_was_asked_for_is_sent(provider: ProviderClient) -> None:
    options = Options(max_output_tokens=500, temperature=0.0, stop=("x",))
    chunks = await ask(provider, user("[[sim echo_body]]"), options=options)
    assert json.loads(said(chunks)) == {
        "model": "simulated",
        "messages": [{"role": "user", "content": "[[sim echo_body]]"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 500,
        "temperature": 0.0,
        "stop": ["x"],
    }


async def test_the_providers_own_names_are_used(simulator: SimulatorProcess) -> None:
    settings = {"models": {"simulated": "sim-v3"}, "max_tokens_field": "max_completion_tokens"}
    async for provider in connected(simulator.url, **settings):
        chunks = await ask(provider, user("[[sim echo_body]]"), options=Options(max_output_tokens=400))
        body = json.loads(said(chunks))
        assert (body["model"], body["max_completion_tokens"]) == ("sim-v3", 400)
        assert "max_tokens" not in body


async def test_images_tools_and_json_mode_reach_the_provider_untouched(provider: ProviderClient) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
    messages: list[dict[str, object]] = [
        {"role": "user", "content": [{"type": "text", "text": "[[sim echo_body]] 看图"}, image], "name": "小明"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "晴"},
    ]
    extra: dict[str, object] = {
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "天气", "schema": {"type": "object"}}},
        "reasoning_effort": "low",
        "n": 1,
    }
    prompt = [Message(Role(str(each["role"])), "", json=json.dumps(each, ensure_ascii=False)) for each in messages]
    chunks = await ask(provider, *prompt, options=Options(extra_json=json.dumps(extra, ensure_ascii=False)))
    body = json.loads(said(chunks))
    assert body["messages"] == messages
    assert {name: body[name] for name in extra} == extra


async def test_thoughts_and_calls_of_tools_come_through(provider: ProviderClient) -> None:
    chunks = await ask(provider, user("[[sim reasoning=想|一想 text=好 tool=weather]]"))
    pieces = [piece for chunk in chunks for piece in chunk.pieces]
    assert said(chunks, Channel.REASONING) == "想一想"
    assert said(chunks) == "好"
    assert json.loads(said(chunks, Channel.TOOL_CALL)) == {"city": "长沙"}
    tool = next(piece for piece in pieces if piece.channel is Channel.TOOL_CALL)
    assert tool.tool == ToolCall(0, "call_simulated", "weather")
    assert ends(chunks)[0] is FinishReason.TOOL_CALLS


async def test_a_finished_answers_connection_is_used_again(provider: ProviderClient) -> None:
    for _ in range(5):
        await ask(provider, user("[[sim text=好]]"))
    # A leak here would be a new connection for every question.
    connector: Any = provider._session.connector
    assert sum(len(idle) for idle in connector._conns.values()) == 1


@pytest.mark.parametrize(
    ("directive", "kind"),
    [
        ("status=500", Kind.SERVER),
        ("status=503", Kind.SERVER),
        ("status=401", Kind.KEY_REFUSED),
        ("status=402", Kind.KEY_REFUSED),
        ("status=404", Kind.NO_MODEL),
        ("status=400", Kind.REFUSED),
        ("status=429", Kind.BUSY),
        ("first_ms=3000", Kind.TIMEOUT),
        ("deltas=5 stall_after=2", Kind.TIMEOUT),
        ("deltas=5 cut_after=2", Kind.CONNECTION),
        ("deltas=5 cut_after=2 torn", Kind.CONNECTION),
        ("deltas=2 no_finish no_done", Kind.BROKEN),
        ("deltas=2 bad_json", Kind.BROKEN),
    ],
)
async def test_each_failure_has_its_own_kind_without_the_providers_words(
    provider: ProviderClient, directive: str, kind: Kind
) -> None:
    with pytest.raises(CallFailedError) as caught:
        await ask(provider, user(f"[[sim {directive}]]"))
    assert caught.value.kind is kind
    assert "simulat" not in caught.value.error.message.lower()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_whoever_only_looks_hears_of_silence_too(provider: ProviderClient) -> None:
    async with provider.answer(MODEL, [user("[[sim deltas=5 stall_after=2]]")], Options()) as stream:
        await stream.arrived()
        assert stream.take() is not None
        with pytest.raises(CallFailedError) as caught:
            async with asyncio.timeout(3):
                while True:
                    stream.take()
                    await asyncio.sleep(0.05)
    assert caught.value.kind is Kind.TIMEOUT


@pytest.mark.parametrize("silent", ["first_ms=3000", "deltas=5 stall_after=2"])
async def test_a_connection_that_is_used_again_is_given_up_in_silence_like_a_new_one(
    provider: ProviderClient, silent: str
) -> None:
    await ask(provider, user("[[sim deltas=2]]"))
    with pytest.raises(CallFailedError) as caught:
        async with asyncio.timeout(3):
            await ask(provider, user(f"[[sim {silent}]]"))
    assert caught.value.kind is Kind.TIMEOUT


async def test_a_burst_that_ends_badly_gives_what_came_before_first(provider: ProviderClient) -> None:
    text = ""
    with pytest.raises(CallFailedError):
        async with provider.answer(MODEL, [user("[[sim text=前半|句 bad_json]]")], Options()) as chunks:
            async for chunk in chunks:
                text += said([chunk])
    assert text == "前半句"


@pytest.mark.parametrize(
    "how", ["crlf", "comments", "piece_bytes=1", "piece_bytes=7 crlf comments", "done_twice", "no_done"]
)
async def test_the_stream_may_be_written_in_any_way(provider: ProviderClient, how: str) -> None:
    chunks = await ask(provider, user(f"[[sim text=鹊桥|仙😀 reasoning=想 {how}]]"))
    assert (said(chunks), said(chunks, Channel.REASONING)) == ("鹊桥仙😀", "想")
    assert FinishReason.STOP in ends(chunks)


@pytest.mark.parametrize(("header", "seconds"), [("retry_after=7", 7.0), ("", 2.0)])
async def test_a_busy_provider_says_when_to_come_back(provider: ProviderClient, header: str, seconds: float) -> None:
    with pytest.raises(CallFailedError) as caught:
        await ask(provider, user(f"[[sim status=429 {header}]]"))
    assert caught.value.error.retry_after_s == seconds
    assert caught.value.pause_s == (seconds if header else 0)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"error":{"message":"pay","code":"insufficient_quota"}}', Kind.KEY_REFUSED),
        ('{"message":"pay","code":"insufficient_quota"}', Kind.KEY_REFUSED),
        ('{"error":{"message":"slow down","code":1302}}', Kind.BUSY),
        ('{"error":"slow down"}', Kind.BUSY),
        ("<html>slow down", Kind.BUSY),
        ("", Kind.BUSY),
    ],
)
async def test_the_code_of_a_refusal_is_read_where_there_is_one(body: str, kind: Kind) -> None:
    async with listing(body, 429) as url:
        async for provider in connected(url):
            with pytest.raises(CallFailedError) as asking:
                await ask(provider, user("hi"))
            with pytest.raises(CallFailedError) as listed:
                await provider.list_models()
    assert (asking.value.kind, listed.value.kind) == (kind, kind)


async def test_a_provider_that_is_not_there_cannot_be_reached() -> None:
    async for provider in connected("http://127.0.0.1:1/v1"):
        with pytest.raises(CallFailedError) as listing:
            await provider.list_models()
        with pytest.raises(CallFailedError) as asking:
            await ask(provider, user("hi"))
        assert (listing.value.kind, asking.value.kind) == (Kind.CONNECTION, Kind.CONNECTION)


@pytest.mark.parametrize(
    "body",
    ['{"data":[{"id":', "null", "[]", '"x"', '{"data":[{"id":null}]}', '{"data":[{"id":"m","created":"soon"}]}'],
)
async def test_a_list_that_is_none_is_a_provider_that_is_broken(body: str) -> None:
    async with listing(body) as url:
        async for provider in connected(url):
            with pytest.raises(CallFailedError) as caught:
                await provider.list_models()
            assert caught.value.kind is Kind.BROKEN


async def test_a_list_is_read_as_loosely_as_providers_write_it() -> None:
    async with listing('{"data":[{"id":"m","created":1700000000.0},{"id":"n"}]}') as url:
        async for provider in connected(url):
            models = [(model.id, model.created_s) for model in await provider.list_models()]
    assert models == [("m", 1_700_000_000), ("n", 0)]


async def test_leaving_the_answer_cancels_it_at_the_provider(
    provider: ProviderClient, simulator: SimulatorProcess
) -> None:
    before: object = (await simulator.stats())["cancelled"]
    async with provider.answer(MODEL, [user("[[sim deltas=500 interval_ms=10]]")], Options()) as chunks:
        first = await anext(chunks)
    assert first.pieces[0] != Piece("")
    async with asyncio.timeout(1):
        while (await simulator.stats())["cancelled"] == before:
            await asyncio.sleep(0.02)
