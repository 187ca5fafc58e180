"""The stand-in for OpenAI's moderation API, as OpenAI's own client sees it."""

from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest
from openai.types import ModerationTextInputParam

from sandbox import parts as sandbox_parts
from sandbox.moderations.app import CATEGORIES
from sandbox.ports import free_ports
from sandbox.processes import PartError
from sandbox.state import State
from sandbox.supervisor import Supervisor


@pytest.fixture(scope="module")
async def env(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """The running stand-in's address and key."""
    supervisor = Supervisor()
    try:
        state = State(tmp_path_factory.mktemp("moderations"))
        yield dict((await sandbox_parts.start_moderations({}, state, supervisor, free_ports(1)[0])).env)
    finally:
        await supervisor.stop()


@pytest.fixture
async def client(env: dict[str, str]) -> AsyncIterator[openai.AsyncOpenAI]:
    await behave(env, "well")
    base_url, key = env["OPENAI_MODERATION_BASE_URL"], env["OPENAI_MODERATION_API_KEY"]
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0) as client:
        yield client


async def behave(env: dict[str, str], manner: str) -> None:
    url = env["OPENAI_MODERATION_BASE_URL"].removesuffix("/v1")
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/sandbox/moderations", json={"manner": manner}) as answer,
    ):
        assert answer.status == 200


async def test_texts_are_judged_each_by_itself(client: openai.AsyncOpenAI) -> None:
    answer = await client.moderations.create(input=["今天天气怎么样", "一个暴力示例", "轻微暴力示例"])
    assert [result.flagged for result in answer.results] == [False, True, False]
    assert answer.results[1].categories.violence
    assert answer.results[1].category_scores.violence == 0.94
    assert answer.results[2].category_scores.violence == 0.30
    assert set(answer.results[0].to_dict()["categories"]) == set(CATEGORIES)  # type: ignore[call-overload]  # a dict


async def test_parts_are_judged_together(client: openai.AsyncOpenAI) -> None:
    parts: list[ModerationTextInputParam] = [{"type": "text", "text": "平安"}, {"type": "text", "text": "自伤示例"}]
    answer = await client.moderations.create(input=parts)
    assert len(answer.results) == 1
    assert answer.results[0].categories.self_harm


async def test_a_wrong_key_and_a_wrong_request_are_refused(env: dict[str, str], client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="sk-wrong").moderations.create(input="x")
    with pytest.raises(openai.BadRequestError):
        await client.moderations.create(input=[])


async def test_it_fails_as_it_is_told(env: dict[str, str], client: openai.AsyncOpenAI) -> None:
    for manner, error in (("busy", openai.RateLimitError), ("http_500", openai.InternalServerError)):
        await behave(env, manner)
        with pytest.raises(error):
            await client.moderations.create(input="x")


async def test_half_an_account_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = {"OPENAI_MODERATION_BASE_URL": "https://example.com/v1"}
    with pytest.raises(PartError, match="OPENAI_MODERATION_API_KEY"):
        await sandbox_parts.start_moderations(given, State(tmp_path_factory.mktemp("none")), Supervisor(), 1)
