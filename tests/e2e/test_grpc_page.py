"""The examples of docs/grpc.md, run as they stand against the mesh."""

import asyncio
import os
import re
import secrets
import sys
from pathlib import Path

import pytest

from sandbox.mesh import Mesh
from sandbox.processes import minimal_env

pytestmark = pytest.mark.xdist_group("mesh")

PAGE = (Path(__file__).parents[2] / "docs" / "grpc.md").read_text("utf-8")


def example(language: str) -> str:
    """The one example in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


async def run(*argv: str, **env: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *argv, env=minimal_env() | env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        said, complained = await process.communicate()
    return process.returncode, said.decode(), complained.decode()


async def ask(mesh: Mesh, text: str, **env: str) -> tuple[int | None, str, str]:
    """Run the Python example for a new user."""
    targets = {name: mesh.env[name] for name in ("BILLING_TARGET", "CHAT_TARGET")}
    return await run(sys.executable, "-c", example("python"), f"u-{secrets.token_hex(6)}", text, **targets | env)


class BreakingLine:
    """A way to a service whose first connection breaks after 0.8 s; `connections` counts them."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        inner_reader, inner_writer = await asyncio.open_connection(self._host, self._port)
        both = asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer), return_exceptions=True)
        if self.connections == 1:
            await asyncio.sleep(0.8)
            writer.transport.abort()
            inner_writer.transport.abort()
        await both


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def test_the_python_example_prints_an_answer_as_it_is_written(mesh: Mesh) -> None:
    status, said, charged = await ask(mesh, "[[sim text=鹊|桥]]")
    assert (status, said) == (0, "鹊桥")
    assert re.fullmatch(r"\n?\d+ micro-yuan\n", charged)


async def test_the_python_example_goes_on_where_a_line_broke(mesh: Mesh) -> None:
    # Two questions, so that the second answer does not come from the cache; the directive alone says what is answered.
    _, whole, _ = await ask(mesh, "[[sim deltas=24 interval_ms=60]] 甲", MODEL="simulated")
    line = BreakingLine(mesh.env["CHAT_TARGET"])
    async with await asyncio.start_server(line.serve, "127.0.0.1", 0) as server:
        target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        status, said, complained = await ask(mesh, "[[sim deltas=24 interval_ms=60]] 乙", CHAT_TARGET=target)
    assert (status, said) == (0, whole), complained
    assert line.connections == 2


async def test_the_python_example_says_the_reason_of_an_error(mesh: Mesh) -> None:
    status, _, complained = await ask(mesh, "好", MODEL="no-such-model")
    assert status == 1
    assert complained.startswith("NOT_FOUND MODEL_NOT_FOUND: ")


async def test_the_shell_example_asks_a_question(mesh: Mesh) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {name: mesh.env[name] for name in ("BILLING_TARGET", "CHAT_TARGET")}
    env |= {"USER_ID": f"u-{secrets.token_hex(6)}", "REQUEST_ID": secrets.token_hex(8), "TEXT": "[[sim text=好]]"}
    status, said, complained = await run("sh", "-ec", example("sh"), **env | {"PATH": path})
    assert status == 0, complained
    assert '"text":"好"' in said.replace(" ", "")
    assert '"completed"' in said
