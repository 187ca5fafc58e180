"""Content security of the WeChat stand-in, as wechatpy and a plain HTTP client see it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from sandbox.wechat.security import V1_TEST

OPENID = "o" + "x" * 27


class Platform:
    """The running stand-in, and an access token of its."""

    def __init__(self, env: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.url = env["WECHAT_API_BASE_URL"]
        self.account = {"appid": env["WECHAT_APPID"], "secret": env["WECHAT_SECRET"]}
        self.http = http
        self.token = ""

    async def check(self, body: object, token: str | None = None) -> Any:
        params = {"access_token": self.token if token is None else token}
        async with self.http.post(f"{self.url}/wxa/msg_sec_check", params=params, json=body) as answer:
            return await answer.json(content_type=None)

    async def behave(self, manner: str, delay_s: float = 0.0) -> int:
        body = {"manner": manner, "delay_s": delay_s}
        async with self.http.post(f"{self.url}/sandbox/security", json=body) as answer:
            return answer.status

    async def asked(self) -> Any:
        async with self.http.get(f"{self.url}/sandbox/security") as answer:
            return await answer.json()


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    supervisor = Supervisor()
    try:
        state = State(tmp_path_factory.mktemp("wechat"))
        env = dict((await parts.start_wechat({}, state, supervisor, free_ports(1)[0])).env)
        async with aiohttp.ClientSession() as http:
            yield Platform(env, http)
    finally:
        await supervisor.stop()


@pytest.fixture
async def platform(running: Platform) -> Platform:
    await running.behave("well")
    body = running.account | {"grant_type": "client_credential"}
    async with running.http.post(f"{running.url}/cgi-bin/stable_token", json=body) as answer:
        running.token = (await answer.json())["access_token"]
    return running


def question(content: str, **more: object) -> dict[str, object]:
    return {"content": content, "version": 2, "scene": 2, "openid": OPENID} | more


@pytest.mark.parametrize(
    ("content", "suggest", "label"),
    [("今天天气怎么样", "pass", 100), ("这是微信违规示例", "risky", 20001), ("微信存疑示例", "review", 20012)],
)
async def test_a_text_is_judged_in_the_result_not_in_the_errcode(
    platform: Platform, content: str, suggest: str, label: int
) -> None:
    answer = await platform.check(question(content))
    assert (answer["errcode"], answer["result"]) == (0, {"suggest": suggest, "label": label})
    assert [part["strategy"] for part in answer["detail"]] == ["content_model", "keyword"]
    assert answer["trace_id"]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (question(""), 44002),
        (question("x" * 2501), 47001),
        (question("x", version=3), 47001),
        (question("x", scene=5), 40129),
        (question("x", openid="somebody"), 40003),
        (question("x", access_token="in the body"), 47001),
        ([], 47001),
    ],
)
async def test_what_does_not_fit_has_the_platforms_code(platform: Platform, body: object, errcode: int) -> None:
    assert (await platform.check(body))["errcode"] == errcode


async def test_a_token_is_needed_and_must_be_the_platforms(platform: Platform) -> None:
    assert (await platform.check(question("x"), token=""))["errcode"] == 41001
    assert (await platform.check(question("x"), token="of nobody"))["errcode"] == 40001
    async with platform.http.get(f"{platform.url}/wxa/msg_sec_check") as answer:
        assert (await answer.json())["errcode"] == 43302


async def test_the_first_version_refuses_by_errcode(platform: Platform) -> None:
    assert (await platform.check({"content": V1_TEST}))["errcode"] == 87014
    assert (await platform.check({"content": "你好"}))["errcode"] == 0
    assert (await platform.check(question(V1_TEST)))["result"]["suggest"] == "pass"


@pytest.mark.parametrize(
    ("manner", "errcode"), [("error", -1), ("quota", 45009), ("expired_visit", 61010), ("token_expired", 42001)]
)
async def test_it_fails_as_it_is_told(platform: Platform, manner: str, errcode: int) -> None:
    assert await platform.behave(manner) == 200
    assert (await platform.check(question("x")))["errcode"] == errcode


async def test_it_answers_without_a_result_late_or_never_as_it_is_told(platform: Platform) -> None:
    await platform.behave("no_result")
    assert "result" not in await platform.check(question("x"))
    await platform.behave("slow", 0.2)
    begin = asyncio.get_running_loop().time()
    await platform.check(question("x"))
    assert asyncio.get_running_loop().time() - begin >= 0.2
    await platform.behave("silent")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await platform.check(question("x"))


async def test_it_tells_what_it_was_asked_and_knows_its_manners(platform: Platform) -> None:
    await platform.behave("slow", 0.05)
    await asyncio.gather(*(platform.check(question("x" * length)) for length in (1, 2, 3)))
    asked = await platform.asked()
    assert (asked["calls"], asked["at_once_max"], sorted(asked["text_characters"])) == (3, 3, [1, 2, 3])
    assert await platform.behave("badly") == 400
    assert await platform.behave("slow", 61) == 400
