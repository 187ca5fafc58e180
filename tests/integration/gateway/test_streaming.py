"""What only a stream shows: its bytes, silence, leaving, stopping."""

import asyncio
import time

import aiohttp
import pytest

from services.runtime.errors import Code, RemoteError
from tests.integration.gateway.conftest import Gateway, StartGateway
from tests.sent_events import sent_events

pytestmark = pytest.mark.xdist_group("clock")

BODY = {"messages": [{"role": "user", "content": "你好"}], "stream": True}


async def read_stream(gateway: Gateway) -> str:
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=gateway.auth) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_a_stream_is_chunks_then_done(gateway: Gateway) -> None:
    *chunks, done = sent_events(await read_stream(gateway))
    assert done.data == "[DONE]"
    first = chunks[0].json
    assert list(first) == ["id", "object", "created", "model", "choices"]
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}
    ]
    last = chunks[-1].json
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}]
    assert last["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


async def test_an_error_after_the_first_byte_ends_the_stream_without_done(gateway: Gateway) -> None:
    gateway.chat.script = ["好", RemoteError(Code.UNAVAILABLE, "UPSTREAM_ERROR", "secret detail")]
    text = await read_stream(gateway)
    assert "[DONE]" not in text
    assert "secret detail" not in text
    error = sent_events(text)[-1].json["error"]
    assert error == {
        "message": "模型服务出错，请稍后再试。", "type": "server_error", "code": "upstream_error", "param": None,
    }  # fmt: skip


async def test_a_stream_that_breaks_off_is_not_taken_for_whole(gateway: Gateway) -> None:
    gateway.chat.completes = False
    text = await read_stream(gateway)
    assert "[DONE]" not in text
    assert '"code":"service_unavailable"' in text


async def test_silence_is_filled_with_heartbeats(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(heartbeat_s=0.1)
    gateway.chat.script = [0.35, "好", 0.25, "的"]
    begin = time.perf_counter()
    events = (await read_stream(gateway)).split("\n\n")
    # A busy machine makes the silences longer.
    pings_max = (time.perf_counter() - begin) / 0.08
    kinds = ["ping" if event == ": ping" else "data" for event in events[:-1]]
    before, between = "".join(kinds[1:]).split("data")[:2]
    assert kinds[0] == "data"
    assert before.count("ping") >= 2
    assert between.count("ping") >= 1
    assert kinds.count("ping") <= pings_max


async def test_headers_are_sent_before_the_first_token(gateway: Gateway) -> None:
    gateway.chat.script = [0.6, "好"]
    begin = time.perf_counter()
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=gateway.auth) as answer:
        assert time.perf_counter() - begin < 0.4
        assert "好" in await answer.text()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_cancels_the_turn_within_a_second(gateway: Gateway, stream: bool) -> None:
    gateway.chat.script = ["好", 30.0]
    asking = asyncio.create_task(_ask_and_hang(gateway, stream))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    asking.cancel()
    begin = time.perf_counter()
    await asyncio.wait_for(gateway.chat.cancelled.wait(), 2)
    assert time.perf_counter() - begin < 1


async def test_a_client_that_leaves_before_the_turn_is_admitted_cancels_it(gateway: Gateway) -> None:
    gateway.chat.admission_s = 30.0
    asking = asyncio.create_task(_ask_and_hang(gateway, stream=True))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait_for(gateway.chat.cancelled.wait(), 1)


async def test_a_client_that_leaves_is_counted_and_frees_its_slot(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(concurrent_turns_max=1)
    gateway.chat.script = [30.0]
    asking = asyncio.create_task(_ask_and_hang(gateway, stream=True))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    asking.cancel()
    await gateway.chat.cancelled.wait()
    gateway.chat.script = ["好"]
    assert "[DONE]" in await read_stream(gateway)
    labels = {"route": "/v1/chat/completions", "status": "499"}
    assert gateway.registry.get_sample_value("queqiao_http_requests_total", labels) == 1
    assert gateway.registry.get_sample_value("queqiao_streams_open", {"transport": "sse"}) == 0


async def test_too_many_turns_at_once_are_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(concurrent_turns_max=2, queue_per_user_max=0)
    gateway.chat.script = ["好", 1.0]
    url = f"{gateway.url}/v1/chat/completions"
    async with (
        gateway.http.post(url, json=BODY, headers=gateway.auth),
        gateway.http.post(url, json=BODY, headers=gateway.auth),
        gateway.http.post(url, json=BODY, headers=gateway.auth) as third,
    ):
        assert third.status == 429
        assert (await third.json())["error"]["code"] == "rate_limit_exceeded"
        assert third.headers["Retry-After"] == "1"


async def test_a_turn_that_waits_is_told_its_position_and_then_answered(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(concurrent_turns_max=1)
    gateway.chat.script = ["好", 0.2]
    first, second = await asyncio.gather(read_stream(gateway), read_stream(gateway))
    waited = first if ": queue 1\n\n" in first else second
    assert waited.startswith(": queue 1\n\n")
    assert all("好" in text and text.endswith("data: [DONE]\n\n") for text in (first, second))


async def test_a_client_that_leaves_the_queue_asks_nothing(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turns_max=1)
    gateway.chat.script = [30.0]
    running = asyncio.create_task(_ask_and_hang(gateway, stream=True))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    waiting = asyncio.create_task(_ask_and_hang(gateway, stream=False))
    while gateway.registry.get_sample_value("queqiao_admission_queue_depth") != 1:
        await asyncio.sleep(0.01)
    waiting.cancel()
    while gateway.registry.get_sample_value("queqiao_admission_queue_depth") != 0:
        await asyncio.sleep(0.01)
    running.cancel()
    await gateway.chat.cancelled.wait()
    assert len(gateway.chat.requests) == 1


async def test_a_turn_that_waited_too_long_says_so_inside_its_stream(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turns_max=1, queue_wait_s=0.1)
    gateway.chat.script = [30.0]
    running = asyncio.create_task(_ask_and_hang(gateway, stream=True))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    text = await read_stream(gateway)
    assert text.startswith(": queue 1\n\n")
    assert '"code":"service_unavailable"' in text
    running.cancel()
    await gateway.chat.cancelled.wait()


async def test_what_neither_runs_nor_waits_is_refused_at_once(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turns_max=1, queue_max=0)
    gateway.chat.script = [30.0]
    running = asyncio.create_task(_ask_and_hang(gateway, stream=True))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    status, refused = await gateway.post("/v1/chat/completions", BODY)
    assert (status, refused["error"]["code"]) == (503, "service_unavailable")
    running.cancel()
    await gateway.chat.cancelled.wait()


async def test_a_turn_that_takes_too_long_is_a_timeout(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turn_timeout_s=0.4)
    gateway.chat.script = ["好", 30.0]
    text = await read_stream(gateway)
    assert '"code":"upstream_timeout"' in text
    await asyncio.wait_for(gateway.chat.cancelled.wait(), 1)


async def test_a_drain_says_so_and_lets_streams_finish(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(drain_notice_s=0.3)
    gateway.chat.script = ["好", 1.0, "的"]
    reading = asyncio.create_task(read_stream(gateway))
    while not gateway.chat.requests:
        await asyncio.sleep(0.01)
    draining = asyncio.create_task(gateway.server.drain())
    await asyncio.sleep(0.1)
    async with gateway.http.get(f"{gateway.url}/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["status"] == "draining"
    await asyncio.sleep(0.5)
    with pytest.raises(aiohttp.ClientConnectionError):
        await gateway.http.get(f"{gateway.url}/healthz")
    text = await reading
    assert "的" in text
    assert text.endswith("data: [DONE]\n\n")
    await draining


async def _ask_and_hang(gateway: Gateway, stream: bool) -> None:
    body = BODY | {"stream": stream}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.auth) as answer:
            await answer.read()
