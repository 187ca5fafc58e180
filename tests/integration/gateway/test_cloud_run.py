"""WeChat Cloud Run: users whom the platform has logged in, and a check of texts as mini-programs ask for it."""

import pytest
from queqiao.moderation.v1 import moderation_pb2

from services.runtime.errors import StartupError
from tests.integration.gateway.conftest import APPID, Gateway, StartGateway

HEADERS = {"X-WX-OPENID": "openid-of-cloud", "X-WX-APPID": APPID}


async def test_the_platforms_header_is_a_login(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(wechat_cloud_run=True)
    ids = []
    for _ in range(2):
        async with gateway.http.get(f"{gateway.url}/v1/me", headers=HEADERS) as answer:
            assert answer.status == 200
            ids.append((await answer.json())["user"]["id"])
    assert ids[0] == ids[1]
    assert gateway.billing.opened == [ids[0]]
    body = {"messages": [{"role": "user", "content": "你好"}]}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=HEADERS) as answer:
        assert answer.status == 200
    assert gateway.chat.requests[0].openid == "openid-of-cloud"


async def test_without_the_switch_it_is_ignored_and_counted(gateway: Gateway) -> None:
    before = gateway.registry.get_sample_value("queqiao_cloud_run_headers_ignored_total") or 0
    async with gateway.http.get(f"{gateway.url}/v1/me", headers=HEADERS) as answer:
        assert answer.status == 401
    assert gateway.registry.get_sample_value("queqiao_cloud_run_headers_ignored_total") == before + 1


async def test_the_header_of_another_mini_program_is_nobody(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(wechat_cloud_run=True)
    async with gateway.http.get(f"{gateway.url}/v1/me", headers=HEADERS | {"X-WX-APPID": "wx-other"}) as answer:
        assert answer.status == 401


async def test_it_refuses_to_start_so_on_a_public_address(start_gateway: StartGateway) -> None:
    with pytest.raises(StartupError, match="WECHAT_CLOUD_RUN"):
        await start_gateway(wechat_cloud_run=True, host="0.0.0.0")  # noqa: S104  # what is refused


async def test_a_text_is_checked_in_wechats_own_shape(gateway: Gateway) -> None:
    assert await gateway.post("/sec-check", {"content": "你好"}) == (200, {"errcode": 0, "errmsg": "ok"})
    gateway.moderation.found["坏"] = moderation_pb2.ModerationResult(
        verdict=moderation_pb2.Verdict(refused=True, label=20006)
    )
    assert await gateway.post("/sec-check", {"content": "坏"}) == (200, {"errcode": 87014, "errmsg": "risky content"})
    for wrong in ({}, {"content": ""}, {"content": 1}, {"content": "x", "scene": 1}):
        assert (await gateway.post("/sec-check", wrong))[0] == 400
