"""`make observe`: Prometheus, and Grafana where it is installed, beside a running `make run`, until Ctrl-C."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console

from sandbox.observe import grafana
from sandbox.observe.prometheus import Prometheus, targets_of
from sandbox.ports import HOST, cannot_listen
from sandbox.processes import PartError
from sandbox.state import State
from sandbox.supervisor import Supervisor


def main() -> None:
    """Run until told to stop; exit status 1 and one sentence when something is in the way."""
    console = Console(highlight=False)
    try:
        asyncio.run(_run(console))
    except PartError as error:
        console.print(f"[bold red]✗[/] {error}", soft_wrap=True)
        sys.exit(1)


async def _run(console: Console) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    state = State(Path(os.environ.get("QUEQIAO_RUN_DIR", ".run")).resolve())
    if not _runs(state):
        raise PartError("No mesh runs here: start one with `make run`, and then this beside it.")
    env = {name: value or "" for name, value in dotenv_values(state.env_file).items()}
    folder = state.folder / "observe"
    supervisor = Supervisor()
    try:
        prometheus = await Prometheus.start(
            supervisor, folder / "prometheus", targets_of(env), port=_port("PROMETHEUS_PORT", 9090)
        )
        console.print(
            f"[bold green]Prometheus[/] at [bold]{prometheus.url}[/]: targets {prometheus.url}/targets, "
            f"alerts {prometheus.url}/alerts",
            soft_wrap=True,
        )
        if grafana.find() is None:
            console.print(grafana.MISSING, soft_wrap=True)
        else:
            url = await grafana.start(supervisor, folder / "grafana", prometheus.url, port=_port("GRAFANA_PORT", 3000))
            console.print(f"[bold green]Grafana[/] at [bold]{url}[/]/dashboards", soft_wrap=True)
        console.print("Ctrl-C stops; what was measured is kept for 7 days.")
        death = asyncio.create_task(supervisor.given_up())
        await asyncio.wait([death, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            raise death.result()
    finally:
        await supervisor.stop()


def _runs(state: State) -> bool:
    """Whether a launcher holds the state folder, and has written down where its mesh is."""
    if not state.env_file.is_file():
        return False
    try:
        lock = state.open()
    except PartError:
        return True
    lock.close()
    return False


def _port(name: str, default: int) -> int:
    """The port to listen on.

    Raises:
        PartError: It is none, or taken.
    """
    said = os.environ.get(name) or str(default)
    if not said.isdigit() or cannot_listen(HOST, int(said)):
        raise PartError(f"Nothing can listen on port {said}: set {name} to a free one.")
    return int(said)


if __name__ == "__main__":
    main()
