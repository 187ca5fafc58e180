"""OpenAI's clients, LangChain, LlamaIndex and Vercel's AI SDK, all unchanged: ten programs, as users write them."""

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import NODE, node_clients, python_clients, run
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")

PYTHON, JAVASCRIPT = ("openai", "langchain", "llamaindex"), ("openai", "ai_sdk")
PROGRAMS = [*(f"{name}_{{}}.py" for name in PYTHON), *(f"{name}_{{}}.mjs" for name in JAVASCRIPT)]


def pixel() -> str:
    """The smallest image, as clients send images."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00")) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


ASKED = {
    "WHOLE": "[[sim text=你好|世界]]",
    "STREAM": "[[sim reasoning=想|一想 text=一|二|三 interval_ms=200]]",
    "TOOL": "长沙天气如何？[[sim tool=weather echo]]",
    "OBJECT": "长沙天气如何？[[sim json]]",
    "LOOK": "图里有什么？[[sim echo]]",
    "IMAGE": pixel(),
}


@pytest.fixture(scope="module")
async def python() -> Path:
    return await python_clients()


@pytest.fixture(scope="module")
async def node() -> Path:
    return await node_clients()


async def saw(program: str, user: User, python: Path, node: Path) -> dict[str, Any]:
    """What a program says that it saw."""
    # Each asks for an answer of its own: one that the cache has comes as one piece.
    own = {"STREAM": f"{program} {ASKED['STREAM']}"}
    env = ASKED | own | {"BASE_URL": f"{user.url}/v1", "API_KEY": user.token}
    folder, interpreter = (node, NODE) if program.endswith(".mjs") else (python, str(python / "packages/bin/python"))
    seen: dict[str, Any] = json.loads(await run(interpreter, program, cwd=folder, env=env))
    return seen


@pytest.mark.parametrize("program", [name.format("streams") for name in PROGRAMS])
async def test_a_client_reads_whole_and_streamed_answers_thoughts_and_usage(
    user: User, python: Path, node: Path, program: str
) -> None:
    seen = await saw(program, user, python, node)
    assert seen["whole"] == "你好世界"
    assert "".join(seen["pieces"]) == "一二三"
    assert len(seen["pieces"]) > 1
    # LangChain's client of OpenAI leaves out what is not OpenAI's own.
    assert seen.get("thoughts") == (None if program.startswith("langchain") else "想一想")
    assert (seen["completion_tokens"], seen["reasoning_tokens"]) == (6, 3)


@pytest.mark.parametrize("program", [name.format("features") for name in PROGRAMS])
async def test_a_client_calls_tools_demands_a_schema_and_shows_an_image(
    user: User, python: Path, node: Path, program: str
) -> None:
    seen = await saw(program, user, python, node)
    assert seen["called"] == "weather"
    told = json.loads(seen["answer"])
    assert [message["role"] for message in told] == ["user", "assistant", "tool"]
    assert "晴 in 长沙" in str(told[2]["content"])
    assert seen["object"] == {"city": "长沙", "degrees": 7}
    text, image = json.loads(seen["seen"])[0]["content"]
    assert (text["text"], image["image_url"]["url"]) == (ASKED["LOOK"], ASKED["IMAGE"])
