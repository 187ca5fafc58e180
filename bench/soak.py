"""`make bench-soak`: a modest load for half an hour, and whether the memory of any process grows.

The load is the realistic one of `make bench`, at a rate that the mesh holds with ease. Every ten seconds the memory of
each process is read; growth is the median of the last fifth of the time against that of the first fifth. A crowd has
filled the caches before.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, report
from bench.command import measure, say
from bench.mesh import STATE, fresh_seed, measured_mesh
from bench.native.programs import compiled
from bench.plan import BURST
from bench.plots import Plot, draw
from bench.runner import Measured, Runner, Side, Window
from bench.simulator_process import SimulatorProcess

_ROOT = Path(__file__).resolve().parent.parent
RESULTS = _ROOT / "bench" / "results" / "soak.local.json"
_CACHE = _ROOT / ".cache" / "bench"
_EVERY_S = 10.0
_USERS = 32
# What the services may add, in per cent.
_GROWTH_MAX = 5.0
_SERVICES = "services"
_PARTS = ("first", "last", "growth")
_MINUTES_MAX = 24 * 60
# A shorter soak says nothing of what grows.
_MINUTES_TELLING = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of every process at a moment, in megabytes: shared pages counted once, and resident."""

    at_s: float
    memory_mb: dict[str, float]
    resident_mb: dict[str, float]


def growth(samples: Sequence[Sample], name: str, *, resident: bool = False) -> tuple[float, float, float] | None:
    """A process's memory in the first fifth of the time and in the last, and its growth in per cent.

    None before there are five samples. All services together go by the name `services`. `resident` counts a page once
    for each process that has it.
    """
    if len(samples) < 5:
        return None
    fifth = len(samples) // 5
    values = [_memory(sample, name, resident=resident) for sample in samples]
    first, last = statistics.median(values[:fifth]), statistics.median(values[-fifth:])
    return first, last, (last - first) / first * 100


def last_growth(file: Path) -> float | None:
    """What the last soak found of all services, in per cent; None where there was none, or one too short to tell."""
    if not file.exists():
        return None
    soaked = json.loads(file.read_text(encoding="utf-8"))
    found = soaked["growth"].get(_SERVICES)
    return float(found[2]) if found and soaked["minutes"] >= _MINUTES_TELLING else None


def render(samples: Sequence[Sample], load: Measured) -> str:
    """The table."""
    names = (*samples[0].memory_mb, _SERVICES)
    rows = [("memory, MB", *(f"{kind} {part}" for kind in ("shared once", "resident") for part in _PARTS))]
    rows += [(name, *_cells(samples, name, resident=False), *_cells(samples, name, resident=True)) for name in names]
    answered, errors = load.load["completed"], load.load["errors"]
    minutes = samples[-1].at_s / 60
    return f"{minutes:.0f} minutes, {answered} chats answered, errors: {errors or 'none'}\n{report.table(rows)}"


async def run(minutes: float, rate: float) -> bool:
    """Soaks, prints, draws and writes; answers whether all chats were answered and little was added."""
    described = machine.describe()
    programs = compiled(_CACHE, say)
    async with (
        SimulatorProcess(program=programs.simulator) as provider,
        measured_mesh(provider.url, _USERS, say) as here,
    ):
        direct = Side(provider.url, ("sk-simulated",), {})
        runner = Runner(direct, here.side, fresh_seed(), programs.load)
        say("warming up")
        # Until the cache of answers is full, whose 16 MB would else be taken for growth for a quarter of an hour.
        crowd = Window("warm-up", direct=False, seconds=min(90, minutes * 9), concurrency=64, directive=BURST)
        await runner.measure(crowd)
        say(f"soaking: {rate:g} chats a second for {minutes:g} minutes")
        window = Window("soak", direct=False, seconds=minutes * 60, qps=rate)
        samples, load = await _sampled(runner, window, here.side.pids)
    print("\n" + render(samples, load))
    grown = {name: growth(samples, name) for name in (*samples[0].memory_mb, _SERVICES)}
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": described,
        "rate": rate,
        "minutes": minutes,
        "growth": grown,
        "load": load.as_json(),
        "samples": [asdict(sample) for sample in samples],
    }
    report.write(RESULTS, content)
    picture = RESULTS.with_suffix(".png")
    lines = {name: [(each.at_s / 60, _memory(each, name)) for each in samples] for name in grown}
    draw(Plot(f"Memory at {rate:g} realistic chats a second", "minutes", "MB", lines), picture)
    print(f"\nraw results and picture: {RESULTS.relative_to(_ROOT)} {picture.relative_to(_ROOT)}")
    services = grown[_SERVICES]
    return not load.load["errors"] and services is not None and abs(services[2]) <= _GROWTH_MAX


async def _sampled(runner: Runner, window: Window, pids: Mapping[str, int]) -> tuple[list[Sample], Measured]:
    begun = time.monotonic()
    loading = asyncio.create_task(runner.once(window))
    samples = []
    try:
        while not loading.done():
            used = machine.usages(pids)
            samples.append(
                Sample(
                    round(time.monotonic() - begun, 1),
                    {name: round(each.memory_bytes / 2**20, 2) for name, each in used.items()},
                    {name: round(each.resident_bytes / 2**20, 2) for name, each in used.items()},
                )
            )
            await asyncio.wait([loading], timeout=_EVERY_S)
        return samples, await loading
    finally:
        loading.cancel()
        await asyncio.wait([loading])


def _memory(sample: Sample, name: str, *, resident: bool = False) -> float:
    found = sample.resident_mb if resident else sample.memory_mb
    return sum(found[each] for each in report.SERVICES) if name == _SERVICES else found[name]


def _cells(samples: Sequence[Sample], name: str, *, resident: bool) -> tuple[str, ...]:
    found = growth(samples, name, resident=resident)
    return ("-", "-", "-") if found is None else (f"{found[0]:.1f}", f"{found[1]:.1f}", f"{found[2]:+.1f} %")


def main() -> None:
    """The command line; exit status 1 when something failed or grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=10, help="realistic chats a second")
    options = parser.parse_args()
    if not 0 < options.minutes <= _MINUTES_MAX or options.rate <= 0:
        parser.error(f"--minutes must be more than 0 and at most {_MINUTES_MAX}, --rate more than 0")
    measure(run(options.minutes, options.rate), STATE)


if __name__ == "__main__":
    main()
