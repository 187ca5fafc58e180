"""Parts that die are started again, and given up when they keep dying."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.processes import Process
from sandbox.supervisor import Supervisor

SLEEPER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
# Comes up once, and never again: the file that it makes tells it so.
ONCE = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).mkdir(); time.sleep(600)"


@pytest.fixture
def said() -> list[str]:
    """What a person was told."""
    return []


@pytest.fixture
async def supervisor(said: list[str]) -> AsyncIterator[Supervisor]:
    """One that starts again what dies."""
    supervisor = Supervisor(said.append, stop_grace_s=0.3)
    yield supervisor
    await supervisor.stop()


async def watched(supervisor: Supervisor, folder: Path, program: str = SLEEPER) -> Process:
    argv = [sys.executable, "-c", program, str(folder / "once")]
    process = supervisor.adopt(0, await Process.start("part", argv, log=folder / "part.log"))

    async def up() -> bool:
        return program != ONCE or (folder / "once").exists()

    await supervisor.ready(process, up)
    return process


async def replaced(process: Process, pid: int) -> None:
    async with asyncio.timeout(10):
        while process.pid == pid:  # nobody tells
            await asyncio.sleep(0.01)


async def test_what_dies_is_started_again_and_a_person_is_told_in_one_line(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    process = await watched(supervisor, tmp_path)
    before = process.pid
    process.kill()
    await replaced(process, before)
    os.kill(process.pid, 0)  # it runs
    assert said == ["part was killed by SIGKILL and is started again (1 of 5 times in a minute)"]


async def test_what_keeps_dying_is_given_up_after_five_times_in_a_minute(
    supervisor: Supervisor, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.supervisor._BACKOFF_S", 0.001)
    process = await watched(supervisor, tmp_path)
    giving_up = asyncio.create_task(supervisor.given_up())
    for _ in range(5):
        before = process.pid
        process.kill()
        await replaced(process, before)
    process.kill()
    error = await asyncio.wait_for(giving_up, 10)
    assert len(said) == 5
    assert "part was killed by SIGKILL" in str(error)
    assert f"Its log is {process.log}; mend the cause and start again." in str(error)


async def test_what_does_not_come_up_again_is_one_more_death(
    supervisor: Supervisor, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.supervisor._BACKOFF_S", 0.001)
    process = await watched(supervisor, tmp_path, ONCE)
    process.kill()
    error = await asyncio.wait_for(supervisor.given_up(), 20)
    assert len(said) == 5
    assert "part stopped with exit status 1: “FileExistsError" in str(error)


async def test_without_anybody_to_tell_nothing_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor()
    process = await watched(supervisor, tmp_path)
    process.kill()
    assert "part was killed by SIGKILL" in str(await asyncio.wait_for(supervisor.given_up(), 10))
    await supervisor.stop()


async def test_what_does_not_stop_in_its_time_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    process = await watched(supervisor, tmp_path, DEAF)
    async with asyncio.timeout(10):
        while not process.log.read_text():  # nobody tells
            await asyncio.sleep(0.01)
    await supervisor.stop()
    assert await process.finished() == -signal.SIGKILL
