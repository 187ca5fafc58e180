"""Three hundred clients that dribble, and three hundred that never read: all others are served as before."""

import asyncio
import json
import statistics
import time
from dataclasses import dataclass

import psutil
import pytest

from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User
from tests.e2e.crowd import Crowd, frame, request

pytestmark = pytest.mark.alone

CROWD = 300
# What a gateway may grow by, whatever three hundred clients do.
GROWTH_BYTES_MAX = 64 << 20
ASKED = 25


@dataclass(frozen=True)
class Door:
    """One gateway of its own, what it costs, and somebody honest who asks there."""

    url: str
    process: psutil.Process
    user: User

    async def latencies(self) -> list[float]:
        """How long so many questions take, one after the other, in seconds."""
        took = []
        body = {"model": "simulated", "messages": [{"role": "user", "content": "[[sim text=好]]"}]}
        for _ in range(ASKED):
            begin = time.perf_counter()
            headers = {"Cache-Control": "no-store"}
            async with self.user.http.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            took.append(time.perf_counter() - begin)
            await asyncio.sleep(0.05)
        return took

    def bytes(self) -> int:
        """The memory that it holds."""
        return int(self.process.memory_info().rss)


@pytest.fixture(scope="module")
async def crowded(mesh: Mesh) -> tuple[str, psutil.Process]:
    limits = {"RATE_LIMIT_TRIAL_PER_MINUTE": "100000", "HEARTBEAT_S": "2"}
    url = await mesh.replica("gateway", "gateway-crowded", **limits)
    return url, psutil.Process(mesh.process("gateway-crowded").pid)


@pytest.fixture
async def door(crowded: tuple[str, psutil.Process], user: User) -> Door:
    door = Door(*crowded, user)
    await door.latencies()
    return door


def as_before(quiet: list[float], crowded: list[float]) -> None:
    """Nobody honest felt anything."""
    assert statistics.median(crowded) < 2 * statistics.median(quiet) + 0.02
    assert max(crowded) < 2 * max(quiet) + 0.25


async def test_clients_that_send_a_byte_a_second_are_shown_out_and_nobody_feels_them(door: Door) -> None:
    quiet, before = await door.latencies(), door.bytes()
    async with Crowd(door.url) as crowd:
        begins = (
            b"GET /healthz HTTP/1.1\r\nX-Slow: ",
            request("POST", "/v1/chat/completions", door.user.token, length=100_000),
        )
        for _ in range(CROWD // 3):
            for begin in begins:
                await crowd.join(begin)
            (await crowd.upgrade("/v1/ws", ())).send(frame(b"x" * 100)[:6])
        dribbling = asyncio.create_task(crowd.dribble(14))
        await asyncio.sleep(1)
        as_before(quiet, await door.latencies())
        assert crowd.held() == CROWD
        assert door.bytes() - before < GROWTH_BYTES_MAX
        await dribbling
        assert crowd.held() == 0


async def test_clients_that_never_read_cost_little_and_nobody_feels_them(door: Door, people: People) -> None:
    quiet, before = await door.latencies(), door.bytes()
    greedy = [await people.login() for _ in range(20)]
    ask = {"model": "simulated", "stream": True, "max_tokens": 200}
    ask["messages"] = [{"role": "user", "content": "[[sim deltas=400 interval_ms=20]]"}]
    async with Crowd(door.url) as crowd:
        for number in range(CROWD // 3):
            token = greedy[number % len(greedy)].token
            await crowd.join(request("POST", "/v1/chat/completions", token, json.dumps(ask).encode()))
            await crowd.join(20 * request("GET", "/docs/swagger-ui-bundle.js"))
            pings = await crowd.upgrade("/v1/ws", ("queqiao.v1", f"bearer.{token}"))
            crowd.flood(pings, 100 * frame(b'{"type":"ping"}'), 4 << 20)
        as_before(quiet, await door.latencies())
        await asyncio.sleep(2)
        as_before(quiet, await door.latencies())
        assert door.bytes() - before < GROWTH_BYTES_MAX
