"""Supervised children: ready or one sentence why not, and never left behind."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from sandbox.processes import PartError, Process
from sandbox.supervisor import Supervisor


async def never() -> bool:
    return False


async def always() -> bool:
    return True


async def python(code: str, log: Path, name: str = "part") -> Process:
    return await Process.start(name, [sys.executable, "-c", code], log=log)


async def test_a_child_that_ends_before_it_is_ready_is_reported_at_once_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    process = await python("print('the cause', flush=True); raise SystemExit(3)", log)
    begin = time.monotonic()
    with pytest.raises(PartError) as said:
        await process.ready(never, timeout_s=30)
    assert time.monotonic() - begin < 5
    assert "part did not start" in str(said.value)
    assert "the cause" in str(said.value)
    assert str(log) in str(said.value)


async def test_a_child_that_is_never_ready_is_reported_after_the_time_it_had(tmp_path: Path) -> None:
    process = await python("import time; time.sleep(60)", tmp_path / "part.log")
    with pytest.raises(PartError, match=r"was not ready after 0\.2 s"):
        await process.ready(never, timeout_s=0.2)
    await process.stop(grace_s=5)


async def test_a_command_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="part cannot be started: No such file"):
        await Process.start("part", ["/nowhere/part"], log=tmp_path / "part.log")


async def test_a_child_that_ignores_the_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process = await python(code, log)

    async def deaf() -> bool:
        return "deaf" in log.read_text(encoding="utf-8")

    await process.ready(deaf, timeout_s=10)
    await process.stop(grace_s=0.2)
    assert not psutil.pid_exists(process.pid)
    assert await process.finished() == -signal.SIGKILL


async def test_a_child_is_out_of_the_terminals_reach_and_sees_no_secret_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    log = tmp_path / "part.log"
    process = await python("import os; print(os.getsid(0), os.environ.get('OPENAI_API_KEY'))", log)
    assert await process.finished() == 0
    session, secret = log.read_text(encoding="utf-8").split()
    assert int(session) == process.pid != os.getsid(0)
    assert secret == "None"


async def test_a_part_that_dies_while_running_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor()
    for name in ("one", "two"):
        part = supervisor.adopt(0, await python("import time; time.sleep(60)", tmp_path / f"{name}.log", name))
        await supervisor.ready(part, always)
    os.kill(supervisor.process("two").pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        said = str(await supervisor.given_up())
    assert said.startswith("two was killed by SIGKILL")
    assert str(tmp_path / "two.log") in said
    one = supervisor.process("one").pid
    await supervisor.stop()
    assert not psutil.pid_exists(one)


async def test_what_uses_others_is_stopped_before_them(tmp_path: Path) -> None:
    supervisor, order = Supervisor(), tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n"
        "    time.sleep(0.2)\n"
        "    open({order!r}, 'a').write({name!r} + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    for layer, name in enumerate(("database", "service", "edge")):
        log = tmp_path / f"{name}.log"
        part = await python(code.format(order=str(order), name=name), log, name)

        async def up(log: Path = log) -> bool:
            return "up" in log.read_text(encoding="utf-8")

        await supervisor.ready(supervisor.adopt(layer, part), up)
    await supervisor.stop()
    assert order.read_text(encoding="utf-8").split() == ["edge", "service", "database"]
