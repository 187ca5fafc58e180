"""Installs the peers that no wheel of ours brings, once for each state of their locks."""

import asyncio
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.node import Node
from sandbox.processes import PartError, Process

_FOLDER = Path(__file__).resolve().parent
_PORTKEY = _FOLDER / "portkey"
_LITELLM = _FOLDER / "litellm.txt"
_TIMEOUT_S = 600.0


async def portkey(cache: Path, node: Node) -> Path:
    """Portkey's gateway, installed by npm from its lock; answers its script.

    Raises:
        PartError: npm failed; the sentence names its log.
    """
    folder = cache / f"portkey-{_digest(_PORTKEY / 'package-lock.json')}"
    package = folder / "node_modules" / "@portkey-ai" / "gateway"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_PORTKEY / name, folder)
        # None of its packages needs its scripts.
        await _run("npm", *node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder, env=node.env())
        (folder / "installed").touch()
    return package / "build" / "start-server.js"


async def litellm(cache: Path) -> Path:
    """LiteLLM's proxy in an environment of its own, installed by uv from its lock; answers its command.

    Raises:
        PartError: uv failed; the sentence names its log.
    """
    folder = cache / f"litellm-{_digest(_LITELLM)}"
    if not (folder / "installed").exists():
        uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        await _run("uv", uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(folder), cwd=cache)
        python = str(folder / "bin" / "python")
        await _run("uv", uv, "pip", "install", "--quiet", "--python", python, "-r", str(_LITELLM), cwd=cache)
        (folder / "installed").touch()
    return folder / "bin" / "litellm"


def versions() -> dict[str, str]:
    """What the locks pin, by peer."""
    pinned = re.search(r"^litellm==(\S+)", _LITELLM.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = json.loads((_PORTKEY / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert pinned is not None
    return {"Portkey": wanted["@portkey-ai/gateway"], "LiteLLM": pinned[1]}


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:12]


async def _run(name: str, *argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    process = await Process.start(name, argv, log=cwd / f"{name}.log", env=env, cwd=cwd)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            status = await process.finished()
    except TimeoutError:
        raise PartError(f"{name} took longer than {_TIMEOUT_S:g} s; its log is {process.log}") from None
    finally:
        await process.stop(grace_s=2)
    if status != 0:
        raise PartError(f"{name} failed: its log is {process.log}")
