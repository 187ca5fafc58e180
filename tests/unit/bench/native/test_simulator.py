"""The compiled provider, asked over the wire."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from bench.client import Client, Target
from bench.native.programs import Programs
from bench.simulator_process import SimulatorProcess
from bench.tally import answer_text


@pytest.fixture
async def provider(programs: Programs) -> AsyncIterator[SimulatorProcess]:
    assert programs.simulator is not None
    async with SimulatorProcess(program=programs.simulator) as process:
        yield process


@dataclass(frozen=True)
class Answer:
    """An answer's bytes, and how many milliseconds after the question its first text and its end came."""

    body: bytes
    first_ms: float
    total_ms: float

    @property
    def text(self) -> str:
        return answer_text(self.body)


async def ask(provider: SimulatorProcess, directive: str) -> Answer:
    target = Target.of(provider.url)
    client = Client(target, timeout_s=30)
    started = time.monotonic()
    outcome = await client.chat(target.request("sk-any", "simulated", f"你好{directive}"), keep_body=True)
    client.close()
    assert outcome.error is None
    assert outcome.body is not None
    assert outcome.first_content_at is not None
    assert outcome.ended_at is not None
    times = (outcome.first_content_at, outcome.ended_at)
    return Answer(bytes(outcome.body), *((at - started) * 1000 for at in times))


async def test_every_answer_has_the_same_text_whatever_its_timing(provider: SimulatorProcess) -> None:
    once = await ask(provider, "[[sim first_ms=0 interval_ms=0]]")
    again = await ask(provider, "[[sim deltas=64 first_ms=5 interval_ms=1]]")
    assert once.text == again.text
    assert 64 * 4 <= len(once.text) <= 64 * 8
    assert once.body.count(b'"content":"') == 64 + 1  # and the role's empty one


async def test_the_times_that_a_question_asks_for_are_kept(provider: SimulatorProcess) -> None:
    slow = await ask(provider, "[[sim deltas=4 first_ms=60 interval_ms=30]]")
    assert slow.first_ms >= 59
    assert 149 <= slow.total_ms < 2_000


async def test_an_answer_ends_with_its_reason_its_usage_and_done(provider: SimulatorProcess) -> None:
    answer = await ask(provider, "[[sim deltas=2 first_ms=0 interval_ms=0]]")
    *events, done, rest = answer.body.split(b"\n\n")
    finish, usage = (json.loads(event.removeprefix(b"data: ")) for event in events[-2:])
    assert (done, rest) == (b"data: [DONE]", b"")
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(answer.text)
    assert usage["usage"]["prompt_tokens"] > 0


async def test_usage_comes_only_when_it_is_asked_for(provider: SimulatorProcess) -> None:
    question = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "[[sim deltas=1 first_ms=0]]"}]}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{provider.url}/chat/completions", json=question) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert "usage" not in await answer.text()


async def test_what_is_not_streamed_is_refused_with_a_sentence(provider: SimulatorProcess) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{provider.url}/chat/completions", json={"model": "m", "messages": []}) as answer:
            assert answer.status == 400
            assert "set stream" in (await answer.json())["error"]["message"]
        async with session.get(f"{provider.url}/models") as answer:
            assert [model["id"] for model in (await answer.json())["data"]] == ["simulated"]


async def test_a_client_that_leaves_is_counted_and_the_others_are_answered(provider: SimulatorProcess) -> None:
    target = Target.of(provider.url)
    _, writer = await asyncio.open_connection(target.host, target.port)
    writer.write(target.request("k", "simulated", "[[sim deltas=50 first_ms=0 interval_ms=20]]"))
    others = [ask(provider, "[[sim deltas=20 first_ms=10 interval_ms=10]]") for _ in range(20)]
    gathered = asyncio.gather(*others)
    await asyncio.sleep(0.05)
    writer.close()
    assert len({answer.text for answer in await gathered}) == 1
    assert await provider.stats() == {"started": 21, "finished": 20, "cancelled": 1, "live": 0}


async def test_a_request_that_comes_in_pieces_is_put_together(provider: SimulatorProcess) -> None:
    target = Target.of(provider.url)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    for byte in target.request("k", "simulated", "[[sim deltas=1 first_ms=0]]"):
        writer.write(bytes([byte]))
        await writer.drain()
    assert b"data: [DONE]" in await reader.readuntil(b"0\r\n\r\n")
    writer.close()


async def test_it_ends_with_whoever_started_it(programs: Programs) -> None:
    async with SimulatorProcess(program=programs.simulator) as process:
        began = time.monotonic()
    assert time.monotonic() - began < 2
    with pytest.raises(aiohttp.ClientConnectionError):
        await process.stats()
