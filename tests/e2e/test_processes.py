"""Each service is a process of its own: watched, reflected, and stopped without cutting anyone off."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from sandbox.processes import minimal_env
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")

SERVICES = {
    "chat": "queqiao.chat.v1.ChatService",
    "moderation": "queqiao.moderation.v1.ModerationService",
    "billing": "queqiao.billing.v1.BillingService",
}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_describes_itself_by_reflection(mesh: Mesh, name: str) -> None:
    async with grpc.aio.insecure_channel(mesh.env[f"{name.upper()}_TARGET"]) as channel:
        make_stub: Any = reflection_pb2_grpc.ServerReflectionStub  # its types know only synchronous channels
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for response in make_stub(channel).ServerReflectionInfo(iter([request])):
            listed = {service.name for service in response.list_services_response.service}
            break
    assert {SERVICES[name], "grpc.health.v1.Health"} <= listed


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("chat", "queqiao_first_token_seconds_count"),
        ("moderation", "queqiao_moderation_checks_total"),
        ("billing", "queqiao_ledger_batch_size_count"),
        ("gateway", "process_cpu_seconds_total"),
    ],
)
async def test_a_service_serves_its_metrics_on_a_port_of_its_own(
    mesh: Mesh, user: User, name: str, metric: str
) -> None:
    async with user.ask("[[sim text=好]]") as answer:
        assert answer.status == 200
    url = f"http://127.0.0.1:{mesh.env[f'{name.upper()}_METRICS_PORT']}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as metrics:
        text = await metrics.text()
    value = next(line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(metric))
    assert float(value) > 0
    async with user.http.get(f"{mesh.url}/metrics") as public:
        assert public.status == 404


@pytest.mark.parametrize("name", ["chat", "gateway"])
async def test_a_service_that_is_stopped_lets_running_answers_finish(mesh: Mesh, user: User, name: str) -> None:
    if name == "chat":
        target = await mesh.replica("chat", "chat-drained", DRAIN_S="10")
        url = await mesh.replica("gateway", "gateway-before-it", CHAT_TARGET=target)
    else:
        url = await mesh.replica("gateway", "gateway-drained", DRAIN_S="10")
    stopped = mesh.process(f"{name}-drained")
    question = "[[sim deltas=20 interval_ms=60]]"
    body = {"model": "simulated", "stream": True, "messages": [{"role": "user", "content": question}]}
    async with user.http.post(f"{url}/v1/chat/completions", json=body) as answer:
        await answer.content.readline()
        os.kill(stopped.pid, signal.SIGTERM)
        text = (await answer.content.read()).decode()
    assert "[DONE]" in text
    async with asyncio.timeout(5):
        assert await stopped.finished() == 0


async def test_real_servers_take_the_stand_ins_place_by_their_urls_alone(
    simulator: SimulatorProcess, database_url: str, redis_database_url: str, mesh_folder: Path
) -> None:
    given = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "sk-x"}
    given |= {"DATABASE_URL": database_url, "REDIS_URL": redis_database_url}
    async with Mesh(mesh_folder, given=minimal_env() | given, port=0) as mesh, aiohttp.ClientSession() as http:
        for ours in ("PostgreSQL", "Redis", "The local model"):
            with pytest.raises(KeyError):
                mesh.process(ours)
        headers = {"Authorization": f"Bearer {mesh.api_key}"}
        body = {"messages": [{"role": "user", "content": "[[sim text=好]]"}], "conversation_id": "theirs"}
        async with http.post(f"{mesh.url}/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM chat.messages WHERE conversation_id = 'theirs'") == 2
    finally:
        await connection.close()
