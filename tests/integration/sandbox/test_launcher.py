"""`python -m sandbox` as a person or a signal meets it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.ports import HOST, free_ports
from sandbox.state import State
from tests.server_folder import server_folder

ROOT = Path(__file__).parents[3]

# Starts two real parts and a plain child, says who they are, and waits to be killed.
LAUNCHER = """
import asyncio, sys
from pathlib import Path
from sandbox import parts
from sandbox.ports import free_ports
from sandbox.processes import Process
from sandbox.state import State
from sandbox.supervisor import Supervisor

async def main():
    state, supervisor = State(Path(sys.argv[1])), Supervisor()
    ports = free_ports(2)
    await parts.start_postgres({}, state, supervisor, ports[0])
    await parts.start_redis({}, state, supervisor, ports[1])
    plain = await Process.start("plain", ["sleep", "600"], log=state.log("plain"))
    print(supervisor.process("PostgreSQL").pid, supervisor.process("Redis").pid, plain.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder, removed with what lies outside of it."""
    with server_folder() as folder:
        yield folder


async def launch(folder: Path, *arguments: str, stdin: int | None = None, **env: str) -> asyncio.subprocess.Process:
    """Start Python on the repository's root with this state folder."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        # With a chat window of one's own none is built.
        env={**os.environ, "QUEQIAO_RUN_DIR": str(folder), "PYTHONPATH": str(ROOT), "WEB_CLIENT_DIR": str(folder)}
        | env,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def gone(pids: list[int]) -> None:
    """Wait until none of these runs; a process that only waits to be collected does not run."""
    async with asyncio.timeout(15):
        while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            await asyncio.sleep(0.05)


async def read_until(launcher: asyncio.subprocess.Process, wanted: Callable[[str], bool]) -> str:
    """Read its output until it says something."""
    assert launcher.stdout is not None
    async with asyncio.timeout(30):
        while line := (await launcher.stdout.readline()).decode():
            if wanted(line):
                return line
    raise AssertionError("it ended without saying it")


async def test_a_launcher_that_is_killed_leaves_no_process_and_the_next_one_starts(folder: Path) -> None:
    launcher = await launch(folder, "-c", LAUNCHER, str(folder))
    pids = [int(pid) for pid in (await read_until(launcher, lambda line: True)).split()]
    family = pids + [child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)]
    launcher.kill()
    again = await launch(folder, "-c", LAUNCHER, str(folder))
    assert len((await read_until(again, lambda line: line[0].isdigit())).split()) == 3
    await launcher.wait()
    await gone(family)
    again.kill()
    await again.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_while_starting_stops_all_and_is_no_failure(folder: Path, number: signal.Signals) -> None:
    launcher = await launch(folder, "-m", "sandbox", PORT=str(free_ports(1)[0]))
    await read_until(launcher, lambda line: "Redis" in line)
    family = [child.pid for child in psutil.Process(launcher.pid).children(recursive=True)]
    assert family
    launcher.send_signal(number)
    async with asyncio.timeout(20):
        await launcher.communicate()
    assert launcher.returncode == 0
    await gone(family)


async def test_a_closed_terminal_stops_all_even_when_no_signal_tells_of_it(folder: Path) -> None:
    # The kernel signals the session's leader alone, and that may be make, which only waits.
    terminal, end = os.openpty()
    launcher = await launch(folder, "-m", "sandbox", stdin=end, PORT=str(free_ports(1)[0]))
    await read_until(launcher, lambda line: "Redis" in line)
    family = [child.pid for child in psutil.Process(launcher.pid).children(recursive=True)]
    os.close(end)
    os.close(terminal)
    async with asyncio.timeout(20):
        await launcher.communicate()
    assert launcher.returncode == 0
    await gone(family)


async def test_a_port_in_use_is_said_before_anything_starts(folder: Path) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        launcher = await launch(folder, "-m", "sandbox", PORT=str(port))
        said = (await launcher.communicate())[0].decode()
    assert launcher.returncode == 1
    assert f"Port {port} is in use" in said
    assert "Traceback" not in said
    assert not list(folder.iterdir())


async def test_a_second_launcher_on_the_same_state_is_refused(folder: Path) -> None:
    with State(folder).open():
        launcher = await launch(folder, "-m", "sandbox", PORT=str(free_ports(1)[0]))
        said = (await launcher.communicate())[0].decode()
    assert launcher.returncode == 1
    assert "already running" in said


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ({"WECHAT_APPID": "wx1", "WECHAT_SECRET": ""}, "WECHAT_SECRET"),
        ({"PORT": "eighty"}, "PORT"),
    ],
)
async def test_a_setting_that_misses_its_other_half_is_named(folder: Path, env: dict[str, str], missing: str) -> None:
    launcher = await launch(folder, "-m", "sandbox", stdin=None, **({"PORT": str(free_ports(1)[0])} | env))
    said = (await launcher.communicate())[0].decode()
    assert launcher.returncode == 1
    assert missing in said
    assert "Traceback" not in said


async def test_clean_refuses_while_a_mesh_runs_and_removes_the_state_afterwards(folder: Path) -> None:
    state = State(folder / "run")
    with state.open():
        refused = await launch(folder / "run", "-m", "sandbox.clean")
        said = (await refused.communicate())[0].decode()
    assert refused.returncode == 1
    assert "already running" in said
    cleaned = await launch(folder / "run", "-m", "sandbox.clean")
    assert await cleaned.wait() == 0
    assert not state.folder.exists()
