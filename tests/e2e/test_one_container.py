"""All services in one container: what WeChat Cloud Run, and every platform of single containers, starts."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bench.simulator_process import SimulatorProcess
from sandbox.ports import free_ports
from sandbox.probe import http_ok
from sandbox.processes import Process, minimal_env

pytestmark = pytest.mark.xdist_group("mesh")

APPID = "wx0123456789abcdef"


@asynccontextmanager
async def container(folder: Path, env: dict[str, str]) -> AsyncIterator[Process]:
    """`queqiao serve all` with this environment, once it is ready."""
    argv = [sys.executable, "-m", "services.cli", "serve", "all"]
    process = await Process.start("all", argv, log=folder / "all.log", env=minimal_env() | env)
    try:
        await process.ready(lambda: whole(f"http://127.0.0.1:{env['PORT']}/readyz"), timeout_s=30)
        yield process
    finally:
        await process.stop(grace_s=20)


async def whole(url: str) -> bool:
    """Whether everything is there: the gateway is ready, degraded, while moderation still starts."""
    if not await http_ok(url):
        return False
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        report: dict[str, object] = await answer.json()
        return report["status"] == "ok"


def told(simulator: SimulatorProcess, database_url: str, redis_url: str) -> dict[str, str]:
    """What the platform's console is told."""
    return {
        "PORT": str(free_ports(1)[0]),
        "WECHAT_CLOUD_RUN": "true",
        "CBR_ENV_ID": "prod-1",
        "WECHAT_APPID": APPID,
        "WECHAT_SECRET": "secret",
        "SESSION_SECRET": secrets.token_hex(16),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": simulator.url,
        "OPENAI_API_KEY": "sk-x",
        # Nobody of WeChat is here to be asked: the next layer is, and there is none.
        "WECHAT_API_BASE_URL": "http://127.0.0.1:1",
        "DRAIN_S": "3",
    }


def children_of(pid: int) -> dict[str, int]:
    """The services' processes, by name."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {each: Path(f"/proc/{each}/cmdline").read_text().split("\0") for each in pids}
    return {command[2].removeprefix("services."): int(each) for each, command in commands.items() if len(command) > 2}


async def test_a_user_of_the_platform_is_answered_and_a_stop_ends_everything(
    simulator: SimulatorProcess, database_url: str, redis_database_url: str, tmp_path: Path
) -> None:
    env = told(simulator, database_url, redis_database_url)
    async with container(tmp_path, env) as process, aiohttp.ClientSession() as http:
        services = children_of(process.pid)
        assert services.keys() == {"gateway", "chat", "moderation", "billing"}
        headers = {"X-WX-OPENID": "o-somebody", "X-WX-APPID": APPID}
        body = {"messages": [{"role": "user", "content": "[[sim text=好]]"}]}
        url = f"http://127.0.0.1:{env['PORT']}/v1/chat/completions"
        async with http.post(url, json=body, headers=headers) as answer:
            said = await answer.json()
        assert answer.status == 200, said
        os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await process.finished() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in services.values())


async def test_a_service_that_dies_ends_the_container(
    simulator: SimulatorProcess, database_url: str, redis_database_url: str, tmp_path: Path
) -> None:
    async with container(tmp_path, told(simulator, database_url, redis_database_url)) as process:
        os.kill(children_of(process.pid)["billing"], signal.SIGKILL)
        async with asyncio.timeout(15):
            assert await process.finished() == 1
    assert "billing ended with status -9" in (tmp_path / "all.log").read_text()
