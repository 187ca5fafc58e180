"""The WeChat stand-in, as wechatpy and a plain HTTP client see it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from wechatpy.client import WeChatClient
from wechatpy.exceptions import WeChatClientException

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor


@pytest.fixture(scope="module")
async def env(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """The running stand-in's address and account."""
    supervisor = Supervisor()
    try:
        state = State(tmp_path_factory.mktemp("wechat"))
        yield dict((await parts.start_wechat({}, state, supervisor, free_ports(1)[0])).env)
    finally:
        await supervisor.stop()


class Client(WeChatClient):  # type: ignore[misc]  # the library publishes no types
    """wechatpy's own client, told another address in the two places where it has the platform's."""

    def __init__(self, base_url: str, appid: str, secret: str) -> None:
        super().__init__(appid, secret, auto_retry=False)
        self._base_url = base_url
        self.wxa.API_BASE_URL = f"{base_url}/"

    def fetch_access_token(self) -> Any:
        params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(f"{self._base_url}/cgi-bin/token", params)


def client(env: dict[str, str], **account: str) -> Client:
    """A client of the stand-in's account, or of another one."""
    known = {"appid": env["WECHAT_APPID"], "secret": env["WECHAT_SECRET"]} | account
    return Client(env["WECHAT_API_BASE_URL"], known["appid"], known["secret"])


async def call(function: Callable[..., Any], *arguments: object) -> Any:
    """Call the synchronous library off the event loop."""
    return await asyncio.to_thread(function, *arguments)


async def test_the_same_code_is_the_same_user_and_another_code_is_another(env: dict[str, str]) -> None:
    wxa = client(env).wxa
    first, again, other = [await call(wxa.code_to_session, code) for code in ("张三", "张三", "李四")]
    assert first["openid"] == again["openid"] != other["openid"]
    assert len(first["openid"]) == 28
    assert first["session_key"]
    assert "errcode" not in first


@pytest.mark.parametrize(
    ("code", "errcode"), [("", 40029), ("invalid-1", 40029), ("used-1", 40163), ("blocked-1", 40226)]
)
async def test_codes_that_the_platform_refuses(env: dict[str, str], code: str, errcode: int) -> None:
    with pytest.raises(WeChatClientException) as refused:
        await call(client(env).wxa.code_to_session, code)
    assert refused.value.errcode == errcode
    assert "rid: " in refused.value.errmsg


@pytest.mark.parametrize(
    ("account", "errcode"),
    [({"appid": "wxsomeoneelse"}, 40013), ({"secret": "wrong密"}, 40125), ({"secret": ""}, 41004)],
)
async def test_another_account_is_refused(env: dict[str, str], account: dict[str, str], errcode: int) -> None:
    with pytest.raises(WeChatClientException) as refused:
        await call(client(env, **account).wxa.code_to_session, "code")
    assert refused.value.errcode == errcode


async def test_an_access_token_lives_two_hours(env: dict[str, str]) -> None:
    answer = await call(client(env).fetch_access_token)
    assert answer["expires_in"] == 7200
    assert answer["access_token"]


async def test_a_refusal_has_status_200(env: dict[str, str]) -> None:
    url = f"{env['WECHAT_API_BASE_URL']}/sns/jscode2session"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        assert (await answer.json())["errcode"] == 41002


async def test_a_stable_token_is_the_same_until_it_is_forced(env: dict[str, str]) -> None:
    account = {"appid": env["WECHAT_APPID"], "secret": env["WECHAT_SECRET"], "grant_type": "client_credential"}
    first, again, forced = [
        (await stable_token(env, body))["access_token"]
        for body in (account, account, account | {"force_refresh": True})
    ]
    assert first == again != forced


@pytest.mark.parametrize("body", ["text", [], None])
async def test_a_body_that_is_no_object_is_a_format_error(env: dict[str, str], body: object) -> None:
    assert (await stable_token(env, body))["errcode"] == 47001


async def stable_token(env: dict[str, str], body: object) -> dict[str, Any]:
    url = f"{env['WECHAT_API_BASE_URL']}/cgi-bin/stable_token"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 200
        said: dict[str, Any] = await answer.json()
        return said
