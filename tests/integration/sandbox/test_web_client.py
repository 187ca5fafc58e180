"""The build of the chat window, with a Node that only waits in the place of the real one."""

import asyncio
from pathlib import Path

import psutil
import pytest

from sandbox.node import Node
from sandbox.processes import PartError
from sandbox.web_client import WebClientBuild


def node(folder: Path, script: str) -> Node:
    """A program that is called as Node and as npm are."""
    program = folder / "node"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return Node(str(program), (str(program),))


def test_npm_is_told_of_the_network_and_of_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"NPM_CONFIG_REGISTRY": "https://npm.example", "HTTPS_PROXY": "http://proxy", "NODE_EXTRA_CA_CERTS": "/ca"}
    for name, value in (told | {"OPENAI_API_KEY": "sk-secret"}).items():
        monkeypatch.setenv(name, value)
    env = node(tmp_path, "").env()
    assert told.items() <= env.items()
    assert "OPENAI_API_KEY" not in env
    assert env["PATH"].startswith(f"{tmp_path}:")


async def test_a_build_that_is_called_off_leaves_no_process(tmp_path: Path) -> None:
    build = WebClientBuild(tmp_path / "client", tmp_path / "build.log", device_login=True)
    running = asyncio.create_task(build.run(node(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")))
    async with asyncio.timeout(60):  # another build may be under way
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text(encoding="utf-8").strip():
            await asyncio.sleep(0.02)
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not psutil.pid_exists(pid)
    assert not build.up_to_date


async def test_a_build_that_fails_says_why_in_a_sentence(tmp_path: Path) -> None:
    build = WebClientBuild(tmp_path / "client", tmp_path / "build.log", device_login=True)
    with pytest.raises(PartError, match=r"registry does not answer.*everything else works without it"):
        await build.run(node(tmp_path, "echo the registry does not answer; exit 1"))
    assert not (tmp_path / "client").exists()
