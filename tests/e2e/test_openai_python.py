"""The official Python client, unchanged."""

import openai
import pytest
from openai import AsyncOpenAI

from sandbox.mesh import Mesh
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")


def client_of(user: User, **options: object) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{user.url}/v1", api_key=user.token, max_retries=0, **options)  # type: ignore[arg-type]  # options of the SDK


async def test_models_are_listed_and_looked_up(user: User) -> None:
    async with client_of(user) as client:
        listed = [model.id async for model in client.models.list()]
        assert listed == ["simulated"]
        assert (await client.models.retrieve("simulated")).id == "simulated"


async def test_an_answer_comes_whole_with_its_usage(user: User) -> None:
    async with client_of(user) as client:
        answer = await client.chat.completions.create(
            model="simulated", messages=[{"role": "user", "content": "[[sim text=你好|世界]]"}]
        )
    assert answer.choices[0].message.content == "你好世界"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_an_answer_streams_and_ends_with_its_usage(user: User) -> None:
    async with client_of(user) as client:
        stream = await client.chat.completions.create(
            model="simulated",
            messages=[{"role": "user", "content": "流式 [[sim text=一|二|三 interval_ms=200]]"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(texts) == "一二三"
    assert len(texts) > 1
    assert chunks[-1].usage is not None
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


async def test_parameters_reach_the_model(user: User) -> None:
    async with client_of(user) as client:
        answer = await client.chat.completions.create(
            model="simulated",
            messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": "[[sim echo]]"}],
            max_tokens=50,
            temperature=0.5,
            stop=["END"],
        )
    assert '"be brief"' in (answer.choices[0].message.content or "")


async def test_a_wrong_key_is_an_authentication_error(mesh: Mesh) -> None:
    async with AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.models.list()
    assert caught.value.code == "invalid_api_key"


async def test_an_empty_wallet_is_a_402_that_says_so(user: User) -> None:
    # ¥1 of trial credit, spent by turns of known price, runs out.
    async with client_of(user) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            for _ in range(200):
                await client.chat.completions.create(
                    model="simulated",
                    messages=[
                        {"role": "user", "content": "[[sim prompt_tokens=4000 completion_tokens=1000]]" + "长" * 3000}
                    ],
                )
    assert (caught.value.status_code, caught.value.code) == (402, "insufficient_quota")


async def test_refused_content_is_a_permission_error_in_the_users_language(user: User) -> None:
    async with client_of(user) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await client.chat.completions.create(
                model="simulated", messages=[{"role": "user", "content": "什么是鹊桥违禁词示例"}]
            )
    assert caught.value.code == "content_policy_violation"
    assert "内容包含违规信息" in caught.value.message


async def test_a_word_refused_in_the_answer_is_never_shown_and_the_stream_says_why(user: User) -> None:
    async with client_of(user) as client:
        stream = await client.chat.completions.create(
            model="simulated",
            messages=[
                {
                    "role": "user",
                    "content": "[[sim text=安全的开头，|que|qiao|forbid|den|exam|ple|。后面 interval_ms=30]]",
                }
            ],
            stream=True,
        )
        shown = ""
        with pytest.raises(openai.APIError) as caught:
            async for chunk in stream:
                shown += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert shown == "安全的开头，"
    assert caught.value.code == "content_policy_violation"


async def test_an_unknown_model_is_not_found(user: User) -> None:
    async with client_of(user) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="gpt-0", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "not_found"


async def test_too_many_requests_is_a_rate_limit_error(user: User) -> None:
    """Twenty run, twenty wait, and the next is refused."""
    async with client_of(user) as client:
        streams = []
        with pytest.raises(openai.RateLimitError) as caught:
            for _ in range(60):
                streams.append(
                    await client.chat.completions.create(
                        model="simulated",
                        messages=[{"role": "user", "content": "[[sim deltas=100 interval_ms=200]]"}],
                        max_tokens=100,
                        stream=True,
                    )
                )
        for stream in streams:
            await stream.close()
    assert caught.value.code == "rate_limit_exceeded"
    assert float(caught.value.response.headers["retry-after"]) > 0
