"""Behind the real nginx: streams as they come, sockets, pages, and no forged users."""

import asyncio
import io
import json
import time
from pathlib import Path

import aiohttp
import pytest

from tests.edge.conftest import Edge, nginx_before
from tests.integration.gateway.conftest import Gateway, StartGateway

pytestmark = pytest.mark.xdist_group("clock")

BODY = {"messages": [{"role": "user", "content": "你好"}], "stream": True}


async def test_gaps_between_tokens_are_preserved(gateway: Gateway, edge: Edge) -> None:
    gateway.chat.script = ["一", 0.3, "二", 0.3, "三"]
    arrivals: dict[str, float] = {}
    url = f"{edge.url}/v1/chat/completions"
    async with gateway.http.post(url, json=BODY, headers=gateway.auth, ssl=edge.trust) as answer:
        assert answer.status == 200
        async for line in answer.content:
            for text in "一二三":
                if text in line.decode():
                    arrivals[text] = time.perf_counter()
    assert arrivals["二"] - arrivals["一"] > 0.2
    assert arrivals["三"] - arrivals["二"] > 0.2


async def test_what_comes_before_the_first_word_passes(start_gateway: StartGateway, tmp_path: Path) -> None:
    slow = await start_gateway(heartbeat_s=0.3)
    slow.chat.script = ["一", 1.0, "二"]
    async with nginx_before(slow.server.port, tmp_path) as edge:
        begin, heard = time.perf_counter(), 0.0
        async with slow.http.post(
            f"{edge.url}/v1/chat/completions", json=BODY, headers=slow.auth, ssl=edge.trust
        ) as answer:
            async for line in answer.content:
                if line.startswith(b": ping") and not heard:
                    heard = time.perf_counter() - begin
    assert 0.2 < heard < 0.9


async def test_turns_run_over_a_secure_websocket(gateway: Gateway, edge: Edge) -> None:
    async with gateway.http.ws_connect(f"{edge.url}/v1/ws", ssl=edge.trust) as socket:
        await socket.send_str(json.dumps({"type": "start", "id": "t", "token": gateway.key, "body": BODY}))
        kinds = []
        while "completed" not in kinds:
            kinds.append(json.loads((await socket.receive(timeout=5)).data)["type"])
    assert kinds[0] == "started"


async def test_a_login_that_is_written_into_a_header_is_thrown_away(
    start_gateway: StartGateway, gateway: Gateway, edge: Edge
) -> None:
    ignored = gateway.registry.get_sample_value("queqiao_cloud_run_headers_ignored_total") or 0
    async with gateway.http.get(f"{edge.url}/v1/me", headers={"X-WX-OPENID": "forged"}, ssl=edge.trust) as answer:
        assert answer.status == 401
    assert (gateway.registry.get_sample_value("queqiao_cloud_run_headers_ignored_total") or 0) == ignored


@pytest.mark.parametrize(
    ("path", "kept", "contains"),
    [("/", "no-cache", "鹊桥"), ("/any/page", "no-cache", "鹊桥"), ("/assets/app-1a2b.js", "immutable", "start()")],
)
async def test_the_clients_pages_are_served(gateway: Gateway, edge: Edge, path: str, kept: str, contains: str) -> None:
    async with gateway.http.get(f"{edge.url}{path}", ssl=edge.trust) as answer:
        assert answer.status == 200
        assert kept in ", ".join(answer.headers.getall("Cache-Control"))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert contains in await answer.text()


async def test_plain_http_is_sent_to_https_and_a_large_body_is_refused(gateway: Gateway, edge: Edge) -> None:
    async with gateway.http.get(f"{edge.http_url}/v1/models", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, "https://127.0.0.1/v1/models")
    big = io.BytesIO(b"x" * (1024 * 1024 + 1))
    async with gateway.http.post(f"{edge.url}/v1/orders", data=big, ssl=edge.trust) as answer:
        assert answer.status == 413


async def test_a_client_that_leaves_is_noticed_through_the_edge(gateway: Gateway, edge: Edge) -> None:
    gateway.chat.script = ["一", 30.0]
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{edge.url}/v1/chat/completions", json=BODY, headers=gateway.auth, ssl=edge.trust)
        await answer.content.readany()
        # As a phone that loses its network: closing in good order would wait for the other side.
        assert answer.connection is not None
        assert answer.connection.transport is not None
        answer.connection.transport.abort()
        answer.close()
    await asyncio.wait_for(gateway.chat.cancelled.wait(), 3)
