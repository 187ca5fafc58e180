"""The WeChat stand-in as a process, its control API, and a merchant: wechatpayv3 and a server for callbacks."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from tests.fakes.callbacks import Callbacks, Received

OPENID = "oUser000000000000000000000001"


class StandIn:
    """The running stand-in: its variables, and what a person or a test does with it."""

    def __init__(self, env: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.env = env
        self.url = env["WECHATPAY_BASE_URL"]
        self.http = http

    async def settings(self, **wish: object) -> dict[str, Any]:
        """Change settings; the clock is fast unless told otherwise."""
        return await self.json("PUT", "/sandbox/settings", wish)

    async def pay(self, out_trade_no: str, how: str = "normal", **more: str) -> dict[str, Any]:
        """Pay an order."""
        return await self.json("POST", f"/sandbox/pay/{out_trade_no}", {"how": how, **more})

    async def trade(self) -> dict[str, Any]:
        """Orders, refunds and attempts."""
        return await self.json("GET", "/sandbox/orders")

    async def json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        async with self.http.request(method, f"{self.url}{path}", json=body) as answer:
            said: dict[str, Any] = await answer.json()
            return said

    async def text(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        async with self.http.request(method, f"{self.url}{path}", **more) as answer:
            return answer.status, await answer.text()


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandIn]:
    """One process for a module's tests."""
    supervisor = Supervisor()
    try:
        state = State(tmp_path_factory.mktemp("wechat"))
        env = dict((await parts.start_wechat({}, state, supervisor, free_ports(1)[0])).env)
        async with aiohttp.ClientSession() as http:
            yield StandIn(env, http)
    finally:
        await supervisor.stop()


@pytest.fixture
async def stand_in(running: StandIn) -> StandIn:
    """The stand-in, well-behaved and with a clock on which the first retry comes after 30 ms."""
    await running.settings(
        auto_pay_after_s=None,
        auto_pay_how="normal",
        late_s=0.3,
        clock_speed=500,
        api_faults=[],
        refund_ends="at_once",
        refund_after_s=0.2,
        bill_fault=None,
        message_push_url="",
    )
    return running


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    """The merchant's server."""
    async with Callbacks() as server:
        yield server


@pytest.fixture
async def merchant(stand_in: StandIn) -> AsyncIterator[AsyncWeChatPay]:
    """A merchant in public-key mode."""
    async with sdk(stand_in.env) as client:
        yield client


def sdk(env: dict[str, str], *, public_key: bool = True, other: dict[str, str] | None = None) -> AsyncWeChatPay:
    """wechatpayv3, pointed at the stand-in; in certificate mode it fetches the platform's certificate itself."""
    known = {
        "mchid": env["WECHATPAY_MCHID"],
        "private_key": Path(env["WECHATPAY_PRIVATE_KEY_FILE"]).read_text(),
        "cert_serial_no": env["WECHATPAY_CERT_SERIAL_NO"],
        "appid": env["WECHAT_APPID"],
        "apiv3_key": env["WECHATPAY_APIV3_KEY"],
    }
    if public_key:
        known["public_key"] = Path(env["WECHATPAY_PUBLIC_KEY_FILE"]).read_text()
        known["public_key_id"] = env["WECHATPAY_PUBLIC_KEY_ID"]
    client = AsyncWeChatPay(WeChatPayType.MINIPROG, timeout=(5, 5), **(known | (other or {})))
    client._core._gate_way = env["WECHATPAY_BASE_URL"]
    return client


async def place(merchant: AsyncWeChatPay, callbacks: Callbacks, amount_fen: int = 1000, **more: Any) -> str:
    """Place an order; answers its out_trade_no."""
    number = f"T{secrets.token_hex(10)}"
    order: dict[str, Any] = {
        "description": "1000 个词元",
        "out_trade_no": number,
        "notify_url": callbacks.url,
        "attach": "附加",
    }
    order |= {"amount": {"total": amount_fen, "currency": "CNY"}, "payer": {"openid": OPENID}} | more
    status, said = await merchant.pay(**order)
    assert status == 200, said
    return number


async def refund(merchant: AsyncWeChatPay, number: str, refund_fen: int, total_fen: int = 1000, **more: Any) -> Any:
    amount = {"refund": refund_fen, "total": total_fen, "currency": "CNY"}
    known = {"out_refund_no": f"R{secrets.token_hex(10)}", "amount": amount, "out_trade_no": number}
    status, said = await merchant.refund(**(known | more))
    return status, json.loads(said)


def verified(merchant: AsyncWeChatPay, received: Received) -> dict[str, Any]:
    """What a callback says, by the SDK's own verification and decryption."""
    event = merchant.callback(received.headers, received.body)
    assert event, "the SDK refuses it"
    said: dict[str, Any] = event
    return said
