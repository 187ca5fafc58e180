"""`make run` as a newcomer has it: real weights, really generating."""

import os
from pathlib import Path

from openai import AsyncOpenAI

from sandbox import model
from sandbox.mesh import Mesh

_REPLACED = ("DATABASE_URL", "REDIS_URL", "OPENAI_BASE_URL", "WECHAT_APPID")


async def test_the_local_model_writes_and_the_wallet_pays_and_a_restart_keeps_everything(mesh_folder: Path) -> None:
    given = {name: value for name, value in os.environ.items() if name not in _REPLACED}
    async with Mesh(mesh_folder, given=given, port=0) as mesh:
        key = mesh.api_key
        async with AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=key) as client:
            stream = await client.chat.completions.create(
                model=model.NAME,
                messages=[{"role": "user", "content": "用一句话介绍鹊桥。"}],
                max_tokens=24,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"conversation_id": "first"},
            )
            chunks = [chunk async for chunk in stream]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            wallet = await client.get("/wallet", cast_to=dict[str, int])
        assert text.strip()
        assert "\ufffd" not in text
        usage = chunks[-1].usage
        assert usage is not None
        assert 0 < usage.completion_tokens <= 24
        assert 0 < wallet["balance_micros"] < 10_000_000
    async with Mesh(mesh_folder, given=given, port=0) as mesh:
        assert mesh.api_key == key
        async with AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=key) as client:
            assert await client.get("/wallet", cast_to=dict[str, int]) == wallet
