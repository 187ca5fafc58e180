"""`make bench`: measures the whole mesh against a simulated provider, then the ledger alone, the lexicon alone and what
moderation adds, and prints what it found.

Everything runs on this machine, in processes that this one starts and stops: the provider, the mesh with its own
PostgreSQL and Redis, and a load generator for each window.
"""

import argparse
import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench import ledger, lexicon, machine, moderation, report, rush, targets, web_client
from bench.command import measure, say
from bench.mesh import LIMITS_TOLD, STATE, fresh_seed, measured_mesh
from bench.native.programs import compiled
from bench.plan import BURST, IDLE
from bench.runner import Measured, Runner, Side, Window
from bench.simulator_process import SimulatorProcess

_ROOT = Path(__file__).resolve().parent.parent
_WEB_CLIENT = _ROOT / ".cache" / "web_client"
_PROGRAMS = _ROOT / ".cache" / "bench"
_RESULTS = _ROOT / "bench" / "results" / "latest.local.json"

# What a rush meets instead: how many turns one user may have.
_DELIVERED = {"CONCURRENT_TURNS_MAX": "20"}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: seconds of each kind of window, the realistic rates (chats per second), and how often."""

    rates: tuple[float, ...]
    realistic_s: float
    idle_s: float
    burst_s: float
    concurrency: int
    ledger: tuple[ledger.Load, ...]
    moderation: bool
    times: int

    def windows(self) -> list[Window]:
        """The windows in order: the baselines first, the heaviest last."""
        baselines = [
            Window("idle", direct=True, seconds=self.idle_s, directive=IDLE),
            Window("realistic", direct=True, seconds=self.realistic_s, qps=min(self.rates)),
            Window("burst", direct=True, seconds=self.burst_s, concurrency=self.concurrency, directive=BURST),
        ]
        warm_up = Window("warm-up", direct=False, seconds=2, concurrency=8, directive=BURST)
        idle = Window("idle", direct=False, seconds=self.idle_s, directive=IDLE)
        realistic = [Window("realistic", direct=False, seconds=self.realistic_s, qps=rate) for rate in self.rates]
        burst = Window("burst", direct=False, seconds=self.burst_s, concurrency=self.concurrency, directive=BURST)
        hits = replace(burst, shape="hits", alike=True)
        return [*baselines, warm_up, idle, *realistic, burst, hits]


async def run(scale: Scale, users: int, workers: int) -> bool:
    """Measures, prints and writes; answers whether every chat was answered."""
    started = time.monotonic()
    described = machine.describe()
    programs = compiled(_PROGRAMS, say)
    async with SimulatorProcess(program=programs.simulator) as simulator:
        given = {"WEB_CLIENT_DIR": str(_WEB_CLIENT), "WORKERS": str(workers)}
        async with measured_mesh(simulator.url, users, say, given) as measured_here:
            mesh, side = measured_here.mesh, measured_here.side
            keys, provider = side.api_keys, {"simulator": simulator.pid}
            direct = Side(simulator.url, ("sk-simulated",), provider)
            through = Side(side.url, keys, {**side.pids, **provider})
            runner = Runner(direct, through, fresh_seed(), programs.load)
            results = await _measure_all(runner, scale.windows(), scale.times)
            client = await _measure_client(mesh.url, keys[0])
            say("measuring: a rush")
            crowded = await mesh.replica("gateway", "gateway-rush", **_DELIVERED | rush.LIMITS)
            rushed = await rush.measure(f"{crowded}/v1", keys)
    written = await ledger.measure(STATE, scale.ledger, progress=say)
    baselines = {measured.window.shape: measured for measured in results if measured.window.direct}
    print("\n" + report.render(results, baselines))
    print("\n" + targets.render(results, baselines))
    print("\n" + rush.render(rushed))
    print("\n" + (web_client.render(client) if client else "Client: not measured, for want of Node.js or Chromium."))
    print("\n" + ledger.render(written))
    searched = await asyncio.to_thread(lexicon.measure)
    print("\n" + lexicon.render(searched))
    judged = await moderation.measure() if scale.moderation else None
    if judged is not None:
        print("\n" + moderation.render(*judged))
    content: dict[str, object] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": described,
        "simulator": {"deltas": 64, "first_ms": 300, "interval_ms": 20, "seed": 1, "idle": IDLE, "burst": BURST},
        "users": users,
        "workers": workers,
        "limits_raised": LIMITS_TOLD,
        "results": [measured.as_json() for measured in results],
        "rush": asdict(rushed),
        "client": asdict(client) if client else None,
        "ledger": [asdict(measured) for measured in written],
        "lexicon": asdict(searched),
        "moderation": None if judged is None else [[asdict(each) for each in judged[0]], asdict(judged[1])],
        "other_runs": [measured.as_json() for measured in runner.others],
        "discarded": [measured.as_json() for measured in runner.discarded],
        "added_first_content_ms": {
            f"{m.window.shape} {m.window.qps or ''}".strip(): report.added_ms(m, baselines[m.window.shape])
            for m in results
            if not m.window.direct and m.window.shape in baselines
        },
    }
    report.write(_RESULTS, content)
    print(f"\n{time.monotonic() - started:.0f} s; raw results: {_RESULTS.relative_to(_ROOT)}")
    return all(not measured.load["errors"] for measured in results)


async def _measure_client(url: str, token: str) -> web_client.ClientFigures | None:
    """The client's size and start; None where there is no Node to build it or no Chromium to open it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return None
    say("building and opening the client")
    if await web_client.build(_WEB_CLIENT) is None:
        return None
    return await web_client.measure(url, token, _WEB_CLIENT, chromium)


async def _measure_all(runner: Runner, windows: Sequence[Window], times: int) -> list[Measured]:
    results = []
    for window in windows:
        say(f"measuring: {'direct' if window.direct else 'mesh'} {window.shape} {window.qps or ''}".rstrip())
        if window.shape == "warm-up":
            await runner.measure(window)
        else:
            results.append(await runner.median(window, 1 if window.direct else times))
    return results


def main() -> None:
    """The command line; exit status 1 when something failed, or some chat was not answered."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look in under a minute; too short for conclusions")
    parser.add_argument("--rates", help="realistic chats per second, such as 25,50,100,200")
    parser.add_argument("--seconds", type=float, help="of each realistic window")
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1, help="processes of each service")
    options = parser.parse_args()
    loads = tuple(ledger.loads(quick=options.quick))
    usual = Scale((25, 50, 100, 200), 4, 5, 3, 64, loads, moderation=True, times=3)
    if options.quick:
        usual = Scale((25, 50), 4, 4, 3, 32, loads, moderation=False, times=1)
    try:
        rates = tuple(float(rate) for rate in options.rates.split(",")) if options.rates else usual.rates
    except ValueError:
        parser.error("--rates takes numbers separated by commas")
    seconds = options.seconds or usual.realistic_s
    if min(rates) <= 0 or seconds <= 0 or options.users <= 0:
        parser.error("rates, seconds and users must be more than 0")
    scale = replace(usual, rates=rates, realistic_s=seconds)
    measure(run(scale, options.users, options.workers), STATE)


if __name__ == "__main__":
    main()
