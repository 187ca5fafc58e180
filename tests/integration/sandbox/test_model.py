"""The local model over OpenAI's protocol: real weights, real streams, and an end to them."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest

from sandbox import model, parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor

pytestmark = pytest.mark.alone

HELLO = [{"role": "user", "content": "你好，请介绍一下你自己"}]


@pytest.fixture(scope="module")
async def base_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The running model's base URL."""
    supervisor = Supervisor()
    try:
        state = State(tmp_path_factory.mktemp("model"))
        part = await parts.start_model({}, state, supervisor, free_ports(1)[0])
        yield part.env["OPENAI_BASE_URL"]
    finally:
        await supervisor.stop()


async def test_it_is_listed_under_the_name_that_the_catalogue_knows(base_url: str) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:
        assert [known.id async for known in client.models.list()] == [model.NAME] == ["smollm2-135m-instruct"]


async def test_a_stream_is_valid_utf8_and_ends_with_its_usage(base_url: str) -> None:
    body = {
        "model": model.NAME,
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 24,
    }
    async with aiohttp.ClientSession() as session, session.post(f"{base_url}/chat/completions", json=body) as answer:
        assert answer.content_type == "text/event-stream"
        events = (await answer.read()).decode("utf-8").strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert '"usage":{"completion_tokens":24,' in events[-2].replace(" ", "")
    assert len(events) > 10


async def test_a_client_that_leaves_ends_its_generation(base_url: str) -> None:
    body = {"model": model.NAME, "messages": HELLO, "stream": True, "max_tokens": 3000, "ignore_eos": True}
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{base_url}/chat/completions", json=body)
        await answer.content.readany()
        assert await _slots_busy(base_url) == 1
        answer.close()
    # The whole answer would take half a minute; the end is noticed with the next token, 30 ms on an idle machine.
    async with asyncio.timeout(5):
        while await _slots_busy(base_url):
            await asyncio.sleep(0.02)


async def test_a_question_that_does_not_fit_is_refused_not_cut(base_url: str) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="context size"):
            await client.chat.completions.create(
                model=model.NAME, messages=[{"role": "user", "content": "字" * 6000}], max_tokens=8
            )


async def _slots_busy(base_url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(base_url.removesuffix("/v1") + "/slots") as answer:
        return sum(slot["is_processing"] for slot in await answer.json())
