"""The whole mesh, as `make run` starts it, against a simulated provider."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from sandbox.processes import minimal_env
from tests.server_folder import server_folder


@pytest.fixture(scope="session")
async def simulator() -> AsyncIterator[SimulatorProcess]:
    """A provider that does what a question's directive says; answers at once by default."""
    async with SimulatorProcess("--first-token-ms", "0", "--interval-ms", "0", "--deltas", "8") as simulator:
        yield simulator


# One provider, which tests make fail as often as they like.
UPSTREAMS = """
[[providers]]
name = "simulator"
base_url = "env:OPENAI_BASE_URL"
keys = ["env:OPENAI_API_KEY"]
first_token_timeout_s = 4
silence_timeout_s = 4

[breaker]
failures = 1000
"""


@pytest.fixture(scope="session")
async def mesh(simulator: SimulatorProcess) -> AsyncIterator[Mesh]:
    """A running mesh that every test of the session shares; each test uses users of its own."""
    given = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "sk-upstream-secret", "LOG_LEVEL": "DEBUG"}
    # Long enough for whoever comes back, short enough to wait for.
    given["DISCONNECT_GRACE_S"] = "1.5"
    with server_folder() as folder:
        given["UPSTREAMS_FILE"] = str(folder / "upstreams.toml")
        (folder / "upstreams.toml").write_text(UPSTREAMS, encoding="utf-8")
        async with Mesh(folder, given=minimal_env() | given, port=0) as mesh:
            yield mesh


@pytest.fixture
def mesh_folder() -> Iterator[Path]:
    """A state folder for a mesh of the test's own."""
    with server_folder() as folder:
        yield folder


@dataclass(frozen=True)
class User:
    """A person who is logged in, and how they speak HTTP."""

    id: str
    token: str
    http: aiohttp.ClientSession
    url: str

    def ask(self, question: str, **more: object) -> "aiohttp.client._RequestContextManager":
        """POST a chat completion that the model itself must answer; further fields of the body as keywords."""
        body = {"model": "simulated", "messages": [{"role": "user", "content": question}], **more}
        return self.http.post(f"{self.url}/v1/chat/completions", json=body, headers={"Cache-Control": "no-store"})

    async def wallet(self) -> tuple[int, int]:
        """Balance and reserved, in micro-yuan."""
        async with self.http.get(f"{self.url}/v1/wallet") as answer:
            wallet = await answer.json()
            return wallet["balance_micros"], wallet["reserved_micros"]

    async def settled_balance(self) -> int:
        """The balance once nothing is reserved any more, in micro-yuan."""
        async with asyncio.timeout(10):
            while (wallet := await self.wallet())[1]:
                await asyncio.sleep(0.02)
        return wallet[0]


class People:
    """Logs people in."""

    def __init__(self, url: str, sessions: AsyncExitStack) -> None:
        self._url = url
        self._sessions = sessions

    async def login(self, code: str | None = None) -> User:
        """Whoever has this code; a new person without one."""
        async with aiohttp.ClientSession() as http:
            body = {"code": code or secrets.token_hex(8)}
            async with http.post(f"{self._url}/v1/auth/wechat", json=body) as answer:
                assert answer.status == 200, await answer.text()
                session = await answer.json()
        token = session["access_token"]
        http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        await self._sessions.enter_async_context(http)
        return User(session["user"]["id"], token, http, self._url)


@pytest.fixture
async def people(mesh: Mesh) -> AsyncIterator[People]:
    """Whoever a test needs."""
    async with AsyncExitStack() as sessions:
        yield People(mesh.url, sessions)


@pytest.fixture
async def user(people: People) -> User:
    """A new person with trial credit."""
    return await people.login()
