"""Clients of others' making, in environments of their own: installed once at the versions of their locks, and kept."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.node import Node, wheel_node

_HERE = Path(__file__).parent
_WHEEL = wheel_node() or Node("the developers' tools carry no Node.js", ())
NODE = _WHEEL.node
_UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "uv"


async def run(*argv: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a program; answers what it printed."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


async def node_clients() -> Path:
    """The folder with the clients for Node and the scripts that use them."""
    return await _installed("node", ("package.json", "package-lock.json"), (*_WHEEL.npm, *_NPM_OPTIONS))


async def python_clients() -> Path:
    """The folder with the clients for Python and the scripts that use them."""
    install = (_UV, "sync", "--frozen", "--quiet", "--python", sys.executable)
    return await _installed("python", ("pyproject.toml", "uv.lock"), install, UV_PROJECT_ENVIRONMENT="packages")


_NPM_OPTIONS = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")


async def _installed(language: str, locks: Sequence[str], install: Sequence[str], **env: str) -> Path:
    source = _HERE / language
    version = hashlib.sha256(b"".join((source / name).read_bytes() for name in locks)).hexdigest()[:12]
    folder = Path(".cache").absolute() / f"{language}-clients-{version}"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in locks:
            shutil.copy(source / name, folder / name)
        await run(*install, cwd=folder, env=env)
        (folder / "installed").touch()
    for script in (*source.glob("*.py"), *source.glob("*.mjs")):
        shutil.copy(script, folder / script.name)
    return folder
