"""The provider through the SDK's raw stream, against a simulated one that misbehaves on demand."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from opentelemetry import trace

from bench.simulator_process import SimulatorProcess
from services.chat.domain import FinishReason, Message, Model, Options, Role, Usage
from services.chat.errors import ModelNotFoundError, UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from services.chat.upstream import OpenAIUpstream
from services.runtime.errors import InvalidRequestError, ServiceError

MODEL = Model("simulated", 8192, 1024, "o200k_base")


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[SimulatorProcess]:
    async with SimulatorProcess("--first-token-ms", "0", "--interval-ms", "0", "--deltas", "4") as simulator:
        yield simulator


@pytest.fixture
async def upstream(simulator: SimulatorProcess) -> AsyncIterator[OpenAIUpstream]:
    timeout = openai.Timeout(0.5, connect=0.5)
    async with openai.AsyncOpenAI(
        base_url=simulator.url,
        api_key="sk-secret-of-the-provider",
        http_client=openai.DefaultAioHttpClient(timeout=timeout),
        timeout=timeout,
        max_retries=0,
    ) as client:
        yield OpenAIUpstream(client, trace.NoOpTracer())


async def ask(
    upstream: OpenAIUpstream, question: str, options: Options | None = None
) -> tuple[str, list[FinishReason | Usage]]:
    """What was said, and the finish reason and usage."""
    text, ends = "", []
    prompt = [Message(Role.USER, question)]
    async with upstream.answer(MODEL, prompt, options or Options()) as chunks:
        async for chunk in chunks:
            text += chunk.text
            ends += [end for end in (chunk.finish_reason, chunk.usage) if end is not None]
    return text, ends


async def test_an_answer_is_text_then_reason_then_usage(upstream: OpenAIUpstream) -> None:
    text, ends = await ask(upstream, "[[sim text=你|好 prompt_tokens=9 completion_tokens=2 cached_tokens=3]]")
    assert text == "你好"
    assert ends[0] is FinishReason.STOP
    assert repr(ends[1]) == "Usage(input=9, output=2, cached_input=3)"


async def test_only_what_was_asked_for_is_sent(upstream: OpenAIUpstream) -> None:
    text, ends = await ask(upstream, "[[sim deltas=50]]", Options(max_output_tokens=3, temperature=0.0, stop=("x",)))
    assert ends[0] is FinishReason.LENGTH
    assert len(text) <= 3


async def test_a_finished_answers_connection_is_used_again(upstream: OpenAIUpstream) -> None:
    for _ in range(5):
        await ask(upstream, "[[sim text=好]]")
    # The SDK hides its pool; a leak here would be a new connection for every question.
    transport: Any = upstream._client._client._transport
    connector = transport.get_client().connector
    assert sum(len(idle) for idle in connector._conns.values()) == 1


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        ("status=500", UpstreamError),
        ("status=503", UpstreamError),
        ("status=401", UpstreamError),
        ("status=404", ModelNotFoundError),
        ("status=400", InvalidRequestError),
        ("status=429", UpstreamBusyError),
        ("first_ms=3000", UpstreamTimeoutError),
        ("deltas=5 stall_after=2", UpstreamTimeoutError),
        ("deltas=5 cut_after=2", UpstreamError),
    ],
)
async def test_each_failure_has_its_own_error_without_the_providers_words(
    upstream: OpenAIUpstream, directive: str, error: type[ServiceError]
) -> None:
    with pytest.raises(error) as caught:
        await ask(upstream, f"[[sim {directive}]]")
    assert "simulat" not in caught.value.message.lower()
    assert "sk-" not in caught.value.message


async def test_a_busy_provider_says_when_to_come_back(upstream: OpenAIUpstream) -> None:
    with pytest.raises(UpstreamBusyError) as caught:
        await ask(upstream, "[[sim status=429 retry_after=7]]")
    assert caught.value.retry_after_s == 7


async def test_a_provider_that_is_not_there_is_an_upstream_error() -> None:
    async with openai.AsyncOpenAI(
        base_url="http://127.0.0.1:1/v1", api_key="x", http_client=openai.DefaultAioHttpClient(), max_retries=0
    ) as client:
        with pytest.raises(UpstreamError):
            await OpenAIUpstream(client, trace.NoOpTracer()).list_models()


async def test_leaving_the_answer_cancels_it_at_the_provider(
    upstream: OpenAIUpstream, simulator: SimulatorProcess
) -> None:
    before: object = (await simulator.stats())["cancelled"]
    prompt = [Message(Role.USER, "[[sim deltas=500 interval_ms=10]]")]
    async with upstream.answer(MODEL, prompt, Options()) as chunks:
        async for _ in chunks:
            break
    async with asyncio.timeout(1):
        while (await simulator.stats())["cancelled"] == before:
            await asyncio.sleep(0.02)
