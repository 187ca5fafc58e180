"""Something of everything: what users do on a good and on a bad day, so that every metric has something to say."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc
from queqiao.billing.v1 import payments_pb2, payments_pb2_grpc

from sandbox.mesh import Mesh

_REFUSED_BY_LEXICON = "鹊桥违禁词示例"
_REFUSED_BY_WECHAT = "微信违规示例"


class Visitor:
    """A user with trial credit."""

    def __init__(self, mesh: Mesh, http: aiohttp.ClientSession) -> None:
        self.mesh = mesh
        self.http = http

    async def ask(self, question: str, **more: object) -> int:
        """Ask, and read the answer to its end; answers the status."""
        body = {"model": "simulated", "messages": [{"role": "user", "content": question}], **more}
        async with self.http.post(f"{self.mesh.url}/v1/chat/completions", json=body) as answer:
            await answer.read()
            return answer.status

    async def ask_over_a_socket(self, question: str) -> None:
        """Ask over a WebSocket, and read the answer to its end."""
        token = self.http.headers["Authorization"].removeprefix("Bearer ")
        async with self.http.ws_connect(f"{self.mesh.url}/v1/ws") as socket:
            await socket.send_json({"type": "auth", "token": token})
            body = {"model": "simulated", "stream": True, "messages": [{"role": "user", "content": question}]}
            await socket.send_json({"type": "start", "id": "1", "body": body})
            async with asyncio.timeout(20):
                async for message in socket:
                    if message.json().get("type") in ("completed", "error"):
                        return

    async def get(self, path: str) -> int:
        """Look at a path; answers the status."""
        async with self.http.get(self.mesh.url + path) as answer:
            await answer.read()
            return answer.status

    async def buy(self, how: str) -> str:
        """Order, and pay in this manner; answers the order's number."""
        body = {"package_id": "small", "channel": "native"}
        async with self.http.post(f"{self.mesh.url}/v1/orders", json=body) as answer:
            assert answer.status == 201, await answer.text()
            order: str = (await answer.json())["id"]
        url = f"{self.mesh.env['WECHATPAY_BASE_URL']}/sandbox/pay/{order}"
        async with self.http.post(url, json={"how": how}) as answer:
            assert answer.status == 200, await answer.text()
        return order


@asynccontextmanager
async def visitor(mesh: Mesh) -> AsyncIterator[Visitor]:
    """Somebody new, who is logged in."""
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{mesh.url}/v1/auth/wechat", json={"code": secrets.token_hex(8)}) as answer:
            token = (await answer.json())["access_token"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        yield Visitor(mesh, http)


async def a_good_day(mesh: Mesh) -> None:
    """Questions, answers, a statement, an order that is paid."""
    async with visitor(mesh) as user:
        await asyncio.gather(
            user.ask("[[sim text=喜鹊|搭起|一座|桥 interval_ms=80]]", stream=True),
            user.ask(f"[[sim text=好]] {secrets.token_hex(4)}", stream=True),
            user.ask("[[sim text=这个问题人人都问]]"),
            user.ask_over_a_socket("[[sim text=银汉|迢迢|暗度 interval_ms=60]]"),
        )
        await user.ask("[[sim text=这个问题人人都问]]")
        for path in ("/v1/me", "/v1/wallet", "/v1/models", "/v1/prices", "/v1/conversations"):
            assert await user.get(path) == 200, path
        await user.buy("normal")
    # A provider's usage is compared with ours in one turn of sixteen.
    await asyncio.gather(*(_chat(mesh, questions=5) for _ in range(4)))


async def _chat(mesh: Mesh, *, questions: int) -> None:
    async with visitor(mesh) as user:
        for _ in range(questions):
            assert await user.ask(f"[[sim text=两情若是久长时]] {secrets.token_hex(4)}", stream=True) == 200


async def a_bad_day(mesh: Mesh) -> None:
    """Refusals, failing providers, wrong callbacks, users that ask too much."""
    async with visitor(mesh) as user:
        await user.ask(f"请问什么是{_REFUSED_BY_LEXICON}")
        await user.ask(f"请问什么是{_REFUSED_BY_WECHAT}")
        await user.ask("[[sim status=500]]")
        await user.ask("[[sim only=a status=500 text=好]]", stream=True)
        await user.ask("[[sim text=喜鹊|搭起|桥 cut_after=2 interval_ms=20]]", stream=True)
        await user.ask("[[sim text=喜鹊 prompt_tokens=999999999]]", stream=True)
        await user.ask("你好", model="no-such-model")
        await user.ask("你好", max_tokens=100_000_000)
        await user.get("/v1/nowhere")
    async with visitor(mesh) as user:
        await asyncio.gather(*(user.ask("[[sim text=好|的 interval_ms=400]]", stream=True) for _ in range(8)))
        await asyncio.gather(*(user.get("/v1/me") for _ in range(20)))
    async with visitor(mesh) as user:
        await user.buy("wrong_amount")
        await user.buy("forged")
        await _refund(mesh, await _paid(user))
    await _judge(mesh, "http_500")
    async with visitor(mesh) as user:
        await asyncio.gather(*(user.ask(f"[[sim text=好]] {secrets.token_hex(4)}", stream=True) for _ in range(3)))
    await _judge(mesh, "well")


async def _paid(user: Visitor) -> str:
    order = await user.buy("normal")
    async with asyncio.timeout(15):
        while True:
            async with user.http.get(f"{user.mesh.url}/v1/orders/{order}") as answer:
                if (await answer.json())["state"] == "paid":
                    return order
            await asyncio.sleep(1)


async def _refund(mesh: Mesh, order: str) -> None:
    request: Any = payments_pb2.CreateRefundRequest(
        request_id=f"refund-{order}", out_trade_no=order, amount_fen=0, reason="退款"
    )
    async with grpc.aio.insecure_channel(mesh.env["BILLING_TARGET"]) as channel:
        await payments_pb2_grpc.PaymentServiceStub(channel).CreateRefund(request)


async def _judge(mesh: Mesh, manner: str) -> None:
    """How WeChat's content security behaves from now on."""
    async with aiohttp.ClientSession() as http:
        body = {"manner": manner, "delay_s": 0}
        async with http.post(f"{mesh.env['WECHAT_API_BASE_URL']}/sandbox/security", json=body) as answer:
            assert answer.status == 200, await answer.text()
