"""Two replicas of every service: stopping any of them fails no turn, killing one ends its own turns alone."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp
import pytest

from sandbox.mesh import Mesh
from sandbox.ports import free_ports
from tests.e2e.conftest import People, User

pytestmark = pytest.mark.xdist_group("mesh")

ANSWER = "一二三四五六七八"
QUESTION = f"[[sim text={'|'.join(ANSWER)} interval_ms=100]]"
# How long everybody goes on asking after something has ended.
AFTER_S = 2.0
# How long a turn may take to begin.
YOUNG_S = 0.3


@dataclass
class Turn:
    """One question: when it was asked, what came, and how it ended."""

    asked_at: float
    status: int = 0
    text: str = ""
    ended_at: float = 0.0

    @property
    def whole(self) -> bool:
        return self.status == 200 and self.text.rstrip().endswith("data: [DONE]") and '"error"' not in self.text

    @property
    def written(self) -> int:
        """How much of the answer has come, in letters."""
        return sum(letter in self.text for letter in ANSWER)

    @property
    def marked(self) -> bool:
        """Whether it says that it is not whole."""
        return self.status >= 500 or '"error"' in self.text


@dataclass
class Load:
    """People who ask again as soon as they are answered, at whichever gateway takes them, as behind a balancer."""

    urls: list[str]
    people: list[User]
    turns: list[Turn] = field(default_factory=list)

    async def ask(self, user: User, http: aiohttp.ClientSession, number: int) -> None:
        turn = Turn(time.monotonic())
        self.turns.append(turn)
        body = {"model": "simulated", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
        headers = {"Authorization": f"Bearer {user.token}", "Cache-Control": "no-store"}
        for attempt in range(len(self.urls)):
            url = self.urls[(number + attempt) % len(self.urls)]
            try:
                async with http.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
                    turn.status = answer.status
                    async for piece in answer.content.iter_any():
                        turn.text += piece.decode(errors="replace")
                break
            except aiohttp.ClientConnectorError:
                continue
            except aiohttp.ClientError:
                break
        turn.ended_at = time.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everybody asks meanwhile, and is answered before it ends."""
        stop = asyncio.Event()

        async def go_on(number: int, user: User, http: aiohttp.ClientSession) -> None:
            while not stop.is_set():
                await self.ask(user, http, number)
                number += 1

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as http:
            async with asyncio.TaskGroup() as group:
                for number, user in enumerate(self.people):
                    group.create_task(go_on(number, user, http))
                yield
                stop.set()


async def pair(mesh: Mesh, service: str, **targets: str) -> str:
    """Two replicas of a service; answers the target of both."""
    both = [await mesh.replica(service, f"{service}-{number}", DRAIN_S="10", **targets) for number in (1, 2)]
    return f"ipv4:{','.join(both)}"


async def most_live(http: aiohttp.ClientSession, metrics_ports: Mapping[str, int]) -> str:
    """Which of some replicas of chat writes the most answers just now: a gateway gives its turns to one for a while."""
    live: dict[str, float] = {}
    for name, port in metrics_ports.items():
        async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            exported = (await answer.text()).splitlines()
        live[name] = next(float(line.split()[1]) for line in exported if line.startswith("queqiao_turns_live "))
    return max(live, key=lambda name: live[name])


async def test_replicas_are_stopped_without_a_failed_turn_and_killed_with_their_own_turns_alone(
    mesh: Mesh, people: People
) -> None:
    billing, moderation = await asyncio.gather(pair(mesh, "billing"), pair(mesh, "moderation"))
    targets = {"BILLING_TARGET": billing, "MODERATION_TARGET": moderation}
    ports = dict(zip(("chat-1", "chat-2", "chat-3"), free_ports(3), strict=True))
    chats = [
        await mesh.replica("chat", name, **targets, METRICS_PORT=str(port), DRAIN_S="10")
        for name, port in ports.items()
    ]
    chat = f"ipv4:{','.join(chats)}"
    own = targets | {"CHAT_TARGET": chat, "DRAIN_S": "10", "RATE_LIMIT_TRIAL_PER_MINUTE": "100000"}
    gateways = [await mesh.replica("gateway", f"gateway-{number}", **own) for number in (1, 2)]
    load = Load(gateways, [await people.login() for _ in range(5)])

    async with load.running():
        for service in ("billing", "moderation", "chat", "gateway"):
            await asyncio.sleep(AFTER_S / 2)
            stopped = mesh.process(f"{service}-1")
            os.kill(stopped.pid, signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await stopped.finished() == 0
            await asyncio.sleep(AFTER_S / 2)
    assert len(load.turns) > 50
    assert [(turn.status, turn.text[-300:]) for turn in load.turns if not turn.whole] == []

    load.turns.clear()
    del ports["chat-1"]
    async with load.running(), aiohttp.ClientSession() as http:
        await asyncio.sleep(AFTER_S / 2)
        while True:
            writer = await most_live(http, ports)
            # A turn that dies before its beginning is written down, a twentieth of a second, is not closed but expires.
            young = any(not turn.ended_at and time.monotonic() - turn.asked_at < YOUNG_S for turn in load.turns)
            if not young and any(turn.written < len(ANSWER) - 2 for turn in load.turns if not turn.ended_at):
                break
            await asyncio.sleep(0.01)
        mesh.process(writer).kill()
        killed_at = time.monotonic()
        await asyncio.sleep(AFTER_S)
    broken = [turn for turn in load.turns if not turn.whole]
    # Those that it was writing, and nobody's that began afterwards.
    assert [turn.text[-300:] for turn in broken if not turn.marked] == []
    assert [turn.text[-300:] for turn in broken if turn.asked_at > killed_at] == []
    assert 0 < len(broken) <= len(load.people)
    for user in (replace(person, url=gateways[1]) for person in load.people):
        balance = await user.settled_balance()
        async with user.http.get(f"{user.url}/v1/wallet/transactions?limit=100") as answer:
            moved = [each["amount_micros"] for each in (await answer.json())["data"]]
        assert 10 < len(moved) < 100
        assert sum(moved) == balance
    # It fails when anything is wrong.
    await mesh.queqiao("ledger", "verify")
