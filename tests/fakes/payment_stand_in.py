"""The WeChat stand-in as a process of its own, reached through the network alone."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.ports import HOST, free_ports
from sandbox.wechat.merchant import Merchant
from services.billing.payments.domain import Callback, Channel, Order, Payer, Refund
from tests.fakes.callbacks import Received

APPID = "wxd678efh567hg6787"
SECRET = "not-a-secret"
PAYER = Payer(openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", client_ip="14.23.150.211")


@dataclass(frozen=True)
class StandIn:
    """A running stand-in, and the account it keeps for us."""

    url: str
    merchant: Merchant

    async def pay(self, out_trade_no: str, how: str = "normal") -> None:
        """Pay as a person would."""
        await self._send("POST", f"/sandbox/pay/{out_trade_no}", {"how": how})

    async def set(self, **settings: object) -> None:
        """Change how it behaves."""
        await self._send("PUT", "/sandbox/settings", settings)

    async def buy(self, openid: str, arguments: Mapping[str, str]) -> Any:
        """What the phone answers to `wx.requestVirtualPayment`."""
        return await self._send("POST", "/sandbox/virtual-payment", {"openid": openid, **arguments})

    async def log_in(self, code: str) -> Payer:
        """Who logs in with this code, with their session key."""
        query = f"appid={APPID}&secret={SECRET}&js_code={code}&grant_type=authorization_code"
        session = await self._send("GET", f"/sns/jscode2session?{query}")
        return replace(PAYER, openid=session["openid"], session_key=session["session_key"])

    async def _send(self, method: str, path: str, document: Mapping[str, object] | None = None) -> Any:
        async with aiohttp.ClientSession(self.url) as http, http.request(method, path, json=document) as answer:
            answer.raise_for_status()
            return await answer.json(content_type=None)


@asynccontextmanager
async def stand_in(folder: Path) -> AsyncIterator[StandIn]:
    """Start it with keys and trade in this folder; stopped at the end."""
    merchant, port = Merchant.open(folder), free_ports(1)[0]
    arguments = ("--port", str(port), "--appid", APPID, "--pay", str(folder))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.wechat", *arguments, env=os.environ | {"WECHAT_SECRET": SECRET}
    )
    try:
        await _listening(port, process)
        yield StandIn(f"http://{HOST}:{port}", merchant)
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None, "the stand-in has ended"
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return


def an_order(channel: Channel, *, amount_fen: int = 1000, payer: Payer = PAYER) -> Order:
    """A fresh order of ten yuan."""
    now = datetime.now(UTC).replace(microsecond=0)
    return Order(
        out_trade_no=secrets.token_hex(14),
        user_id="user-1",
        request_id=secrets.token_hex(8),
        input_sha256=b"",
        channel=channel,
        package_id="p10",
        tokens=1_000_000,
        amount_fen=amount_fen,
        description="一百万字 1,000,000 tokens",
        payer=payer,
        created_at=now,
        expires_at=now + timedelta(minutes=30),
        virtual_product_id="tokens-1m" if channel is Channel.VIRTUAL else "",
    )


def a_refund(order: Order, amount_fen: int) -> Refund:
    """A fresh refund of an order."""
    return Refund(
        out_refund_no=secrets.token_hex(14),
        user_id=order.user_id,
        request_id=secrets.token_hex(8),
        input_sha256=b"",
        out_trade_no=order.out_trade_no,
        amount_fen=amount_fen,
        reason="不想要了",
        created_at=datetime.now(UTC),
    )


def callback(received: Received) -> Callback:
    """What arrived, as the gateway hands it on."""
    return Callback({name.lower(): value for name, value in received.headers.items()}, received.query, received.body)
