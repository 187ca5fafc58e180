"""`make run` as a newcomer has it: real weights, really generating."""

import os
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from sandbox import model
from sandbox.mesh import Mesh
from sandbox.ports import free_ports
from services.chat import upstreams

pytestmark = pytest.mark.alone

KNOWN = Path(upstreams.__file__).with_name("models.toml")

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


# The provider of the big model is not there; the laptop's own server answers in its place.
UPSTREAMS = """
[[providers]]
name = "gone"
base_url = "http://127.0.0.1:{port}/v1"
models = ["big"]

[[providers]]
name = "local"
base_url = "env:OPENAI_BASE_URL"
role = "fallback"
"""


async def test_the_local_model_takes_over_when_nobody_else_answers(mesh_folder: Path) -> None:
    providers, models = mesh_folder / "upstreams.toml", mesh_folder / "models.toml"
    providers.write_text(UPSTREAMS.replace("{port}", str(free_ports(1)[0])), encoding="utf-8")
    shipped = KNOWN.read_text(encoding="utf-8")
    models.write_text(shipped.replace("[default]\n", f'[default]\nfallback = "{model.NAME}"\n'), encoding="utf-8")
    given = {name: value for name, value in os.environ.items() if name not in _REPLACED}
    given |= {"UPSTREAMS_FILE": str(providers), "MODELS_FILE": str(models)}
    async with Mesh(mesh_folder, given=given, port=0) as mesh:
        async with AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=mesh.api_key, max_retries=0) as client:
            assert [offered.id async for offered in client.models.list()] == ["big", model.NAME]
            raw = await client.chat.completions.with_raw_response.create(
                model="big", messages=[{"role": "user", "content": "Say hello."}], max_tokens=16
            )
            answer, request_id = raw.parse(), raw.headers["X-Request-Id"]
            paid = await client.get("/wallet/transactions?limit=1", cast_to=dict[str, Any])
    assert answer.model == model.NAME
    assert (answer.choices[0].message.content or "").strip()
    (transaction,) = paid["data"]
    assert transaction["request_id"] == f"{request_id}-1"
    assert (transaction["receipt"]["model"], transaction["receipt"]["outcome"]) == (model.NAME, "completed")
    assert transaction["amount_micros"] < 0
