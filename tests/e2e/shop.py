"""Somebody who buys, through the public API and WeChat's wire protocol.

Everything that is asked of the stand-in, its misbehaviour too, goes over the network.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from queqiao.billing.v1 import books_pb2, books_pb2_grpc, payments_pb2, payments_pb2_grpc

from sandbox.mesh import Mesh
from tests.e2e.conftest import User

TRIAL = 1_000_000
# The small package at ¥7.10 a dollar.
FEN = 142
PAID = TRIAL + FEN * 10_000


@dataclass(frozen=True)
class Shop:
    """A user who buys, and the stand-in that they pay through."""

    user: User
    wechat: str
    billing: str

    async def buy(self, channel: str = "jsapi", **headers: str) -> dict[str, Any]:
        """Order the small package."""
        body = {"package_id": "small", "channel": channel}
        async with self.user.http.post(f"{self.user.url}/v1/orders", json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            order: dict[str, Any] = await answer.json()
            assert order["amount_fen"] == FEN or channel == "virtual"
            return order

    async def pay(self, order: dict[str, Any], how: str = "normal", **more: str) -> None:
        """Pay at the stand-in, which then tells the gateway in this manner."""
        body = {"how": how, **more}
        async with self.user.http.post(f"{self.wechat}/sandbox/pay/{order['id']}", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def settings(self, **changes: object) -> None:
        """Change how the stand-in behaves."""
        async with self.user.http.put(f"{self.wechat}/sandbox/settings", json=changes) as answer:
            assert answer.status == 200, await answer.text()

    async def answers(self, order: dict[str, Any], count: int, event: str = "payment") -> list[int]:
        """What the gateway answered to the first so many callbacks about an order."""
        async with asyncio.timeout(15):
            while True:
                async with self.user.http.get(f"{self.wechat}/sandbox/orders") as answer:
                    attempts = (await answer.json())["attempts"]
                about = [a for a in attempts if a["out_trade_no"] == order["id"] and a["event"] == event]
                if len(about) >= count:
                    return [attempt["status"] for attempt in about[:count]]
                await asyncio.sleep(0.05)

    async def state(self, order: dict[str, Any]) -> str:
        """How the order stands, which makes the server ask WeChat if it waits."""
        async with self.user.http.get(f"{self.user.url}/v1/orders/{order['id']}") as answer:
            assert answer.status == 200, await answer.text()
            state: str = (await answer.json())["state"]
            return state

    async def balance(self) -> int:
        """The wallet's balance, in micro-yuan."""
        return (await self.user.wallet())[0]

    async def refund(self, order: dict[str, Any], fen: int = 0) -> payments_pb2.Refund:
        """Give a payment back, as an operator does."""
        request = payments_pb2.CreateRefundRequest(
            request_id=f"refund-{fen}", out_trade_no=order["id"], amount_fen=fen, reason="测试退款"
        )
        async with grpc.aio.insecure_channel(self.billing) as channel:
            return (await payments_pb2_grpc.PaymentServiceStub(channel).CreateRefund(request)).refund

    async def reaches(self, balance: int) -> None:
        """Wait until the balance is this, and see that it stays."""
        async with asyncio.timeout(20):
            while await self.balance() != balance:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        assert await self.balance() == balance


@asynccontextmanager
async def open_shop(mesh: Mesh, user: User) -> AsyncIterator[Shop]:
    """A shop whose stand-in behaves again in the end; whatever happened, the books are right."""
    shop = Shop(user, mesh.env["WECHATPAY_BASE_URL"], mesh.env["BILLING_TARGET"])
    yield shop
    await shop.settings(
        api_faults=[], refund_ends="at_once", refund_after_s=1.0, bill_fault=None, clock_speed=60.0, late_s=3.0
    )
    async with grpc.aio.insecure_channel(mesh.env["BILLING_TARGET"]) as channel:
        found = await books_pb2_grpc.BooksServiceStub(channel).VerifyLedger(books_pb2.VerifyLedgerRequest())
    assert found.ok, found.findings
