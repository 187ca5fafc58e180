"""The mesh as it is measured: everything on, but for what protects it from one machine that asks all the time."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.report import SERVICES
from bench.runner import Side, WindowError
from sandbox.mesh import Mesh
from sandbox.workers import Workers

_ROOT = Path(__file__).resolve().parent.parent
STATE = _ROOT / ".run" / "bench"
PARTS = {"postgres": "PostgreSQL", "redis": "Redis"}

LIMITS = {
    "RATE_LIMIT_KEY_PER_MINUTE": "100000000",
    "RATE_LIMIT_TRIAL_PER_MINUTE": "100000000",
    "TURNS_MAX": "1000000",
    "CONCURRENT_TURNS_MAX": "1000000",
    "TRIAL_CREDIT_MICROS": str(10**12),
    # What remote layers add is measured apart: one machine asks more than their quota allows.
    "POLICY_FILE": str(_ROOT / "bench" / "policies" / "lexicon_alone.toml"),
}
# As results tell them, on whatever machine they were found.
LIMITS_TOLD = {name: value.removeprefix(f"{_ROOT}/") for name, value in LIMITS.items()}


@dataclass(frozen=True, slots=True)
class MeasuredMesh:
    """A running mesh, and how it is asked and watched."""

    mesh: Mesh
    side: Side


@asynccontextmanager
async def measured_mesh(
    provider_url: str, users: int, say: Callable[[str], None], given: Mapping[str, str] | None = None
) -> AsyncIterator[MeasuredMesh]:
    """A mesh in front of the provider, with `users` who have wallets of their own.

    Raises:
        PartError: something did not come up.
        WindowError: a user could not log in.
    """
    told = {"OPENAI_BASE_URL": provider_url, "OPENAI_API_KEY": "sk-simulated", **LIMITS, **(given or {})}
    async with Mesh(STATE, given=told, port=0, progress=say) as mesh:
        workers = [name for service in SERVICES for name in Workers.of(told).names(service)]
        pids = {name: mesh.process(name).pid for name in workers}
        pids |= {name: mesh.process(title).pid for name, title in PARTS.items()}
        yield MeasuredMesh(mesh, Side(f"{mesh.url}/v1", await log_in(mesh.url, users), pids))


def fresh_seed() -> int:
    """A seed that no earlier run had: a state that an unfinished run left knows the answers to its questions."""
    return int(time.time())


async def log_in(gateway_url: str, count: int) -> list[str]:
    """The session tokens of `count` users, each with a wallet of its own, from the WeChat stand-in."""
    tokens = []
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            body = {"code": f"bench-{number}"}
            async with session.post(f"{gateway_url}/v1/auth/wechat", json=body) as answer:
                if answer.status != 200:
                    raise WindowError(f"a user could not log in: HTTP {answer.status}")
                tokens.append((await answer.json())["access_token"])
    return tokens
