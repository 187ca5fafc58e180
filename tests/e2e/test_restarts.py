"""A part that dies is started again, and no wallet is wrong for it."""

import asyncio
import secrets
from pathlib import Path

import aiohttp

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from sandbox.processes import minimal_env

PARTS = ("gateway", "chat", "moderation", "billing", "Redis", "PostgreSQL")


async def ask(http: aiohttp.ClientSession, url: str, question: str) -> bool:
    """Whether the question was answered."""
    body = {"model": "simulated", "messages": [{"role": "user", "content": question}]}
    try:
        async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
            return answer.status == 200 and b"choices" in await answer.read()
    except (aiohttp.ClientError, OSError):
        return False


async def test_whatever_is_killed_comes_back_and_no_wallet_is_wrong(
    simulator: SimulatorProcess, mesh_folder: Path
) -> None:
    said: list[str] = []
    given = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "sk-upstream-secret", "DISCONNECT_GRACE_S": "1"}
    async with Mesh(mesh_folder, given=minimal_env() | given, port=0, restarted=said.append) as mesh:
        headers = {"Authorization": f"Bearer {mesh.api_key}", "Cache-Control": "no-store"}
        async with aiohttp.ClientSession(headers=headers) as http:
            assert await ask(http, mesh.url, "[[sim text=好]]")
            for part in PARTS:
                running = [
                    asyncio.create_task(ask(http, mesh.url, f"[[sim deltas=8 interval_ms=40]] {secrets.token_hex(4)}"))
                    for _ in range(3)
                ]
                await asyncio.sleep(0.15)
                mesh.process(part).kill()
                await asyncio.gather(*running)
                async with asyncio.timeout(30):
                    while not await ask(http, mesh.url, f"[[sim text=好]] {secrets.token_hex(4)}"):  # nobody tells
                        await asyncio.sleep(0.1)
            # It fails when anything is wrong.
            await mesh.queqiao("ledger", "verify")
            async with http.get(f"{mesh.url}/v1/wallet") as answer:
                wallet = await answer.json()
            async with http.get(f"{mesh.url}/v1/wallet/transactions?limit=100") as answer:
                moved = sum(each["amount_micros"] for each in (await answer.json())["data"])
    assert [sentence.partition(" was killed")[0] for sentence in said] == list(PARTS)
    assert wallet["balance_micros"] == moved
    assert 0 <= wallet["reserved_micros"] <= wallet["balance_micros"]
