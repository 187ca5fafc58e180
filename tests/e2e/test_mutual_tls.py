"""The whole mesh beyond the loopback, as the component mtls deploys it: certificates, probes, and nobody else."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.simulator_process import SimulatorProcess
from sandbox.ports import free_ports
from sandbox.probe import http_ok
from sandbox.processes import Process, minimal_env

pytestmark = pytest.mark.xdist_group("mesh")

APPID = "wx0123456789abcdef"


def certified(folder: Path, authority: trustme.CA, name: str) -> dict[str, str]:
    """A certificate for a service, and the variables that name it."""
    issued, paths = authority.issue_cert(name, "localhost"), {}
    files = {
        "TLS_CERT_FILE": b"".join(blob.bytes() for blob in issued.cert_chain_pems),
        "TLS_KEY_FILE": issued.private_key_pem.bytes(),
        "TLS_CA_FILE": authority.cert_pem.bytes(),
    }
    for variable, content in files.items():
        paths[variable] = folder / f"{name}-{variable}"
        paths[variable].write_bytes(content)
    return {variable: str(path) for variable, path in paths.items()}


async def probed(env: dict[str, str]) -> bool:
    """What the pod's readiness probe says."""
    argv = (sys.executable, "-m", "services.runtime.probe")
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


@pytest.fixture
async def addresses(
    simulator: SimulatorProcess, database_url: str, redis_database_url: str, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """The four services with certificates; answers where each listens."""
    authority = trustme.CA()
    ports = dict(zip(("billing", "moderation", "chat", "gateway"), map(str, free_ports(4)), strict=True))
    shared = minimal_env() | {f"{name.upper()}_TARGET": f"dns:///localhost:{port}" for name, port in ports.items()}
    shared |= {"HOST": "0.0.0.0", "DATABASE_URL": database_url, "REDIS_URL": redis_database_url, "DRAIN_S": "1"}  # noqa: S104
    shared |= {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "sk-x", "SESSION_SECRET": secrets.token_hex(16)}
    # Who is let in without a login, and a WeChat that is not there.
    shared |= {"WECHAT_CLOUD_RUN": "true", "CBR_ENV_ID": "test", "WECHAT_API_BASE_URL": "http://127.0.0.1:1"}
    running = []
    try:
        for name, port in ports.items():
            env = shared | certified(tmp_path, authority, name) | {"PORT": port}
            env |= {"WECHAT_APPID": APPID, "WECHAT_SECRET": "secret"} if name == "gateway" else {}
            argv = [sys.executable, "-m", f"services.{name}"]
            process = await Process.start(name, argv, log=tmp_path / f"{name}.log", env=env)
            running.append((process, env, name))
        for process, env, name in running:
            if name != "gateway":
                await process.ready(lambda env=env: probed(env), timeout_s=30)  # type: ignore[misc]  # a bound default
            else:
                await process.ready(lambda: http_ok(f"http://127.0.0.1:{ports['gateway']}/readyz"), timeout_s=30)
        yield {name: f"localhost:{port}" for name, port in ports.items()}
    finally:
        await asyncio.gather(*(process.stop(grace_s=10) for process, _, _ in running))


async def test_a_question_is_answered_and_nobody_without_a_certificate_is(addresses: dict[str, str]) -> None:
    headers = {"X-WX-OPENID": "o-somebody", "X-WX-APPID": APPID}
    body = {"messages": [{"role": "user", "content": "[[sim text=好]]"}]}
    url = f"http://{addresses['gateway']}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as answer:
        said = await answer.json()
    assert answer.status == 200, said
    assert said["choices"][0]["message"]["content"] == "好"
    for name in ("billing", "moderation", "chat"):
        with grpc.insecure_channel(addresses[name]) as channel, pytest.raises(grpc.RpcError):
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)  # type: ignore[attr-defined]  # the stubs forget it
