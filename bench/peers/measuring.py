"""One peer's measurement: rounds of windows, a climb to the highest rate that it holds, and its memory."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from bench.machine import usages
from bench.peers.figures import ADDED_MS_MAX, Figures, Round, Steps, holds
from bench.plan import BURST, IDLE
from bench.runner import Measured, Runner, Side, Window, WindowError
from bench.simulator_process import SimulatorProcess

_LIVE = "[[sim deltas=25 first_ms=500 interval_ms=1000]]"
_LIVE_TIMEOUT_S = 60.0
_MEMORY_EVERY_S = 2.0
_CONCURRENCY = 64
_BASELINE_RATE = 100.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How long each window is, in seconds, how many rounds there are, and how many streams live at once."""

    idle_s: float = 5
    burst_s: float = 3
    realistic_s: float = 5
    rounds: int = 3
    live: int = 1000


@dataclass(frozen=True, slots=True)
class Peer:
    """What is asked of a peer: rates that are always measured, and beyond them what it may be asked as well.

    `climbs` goes on to the highest rate that it holds, `caches` asks the same question again and again, `lives` has it
    carry many streams at once.
    """

    name: str
    version: str
    rates: tuple[float, ...]
    climbs: bool = True
    caches: bool = False
    lives: bool = True


class Measuring:
    """Measures peers, one after the other, each with the whole machine to itself."""

    def __init__(self, provider: SimulatorProcess, runner: Callable[[Side, Side], Runner], scale: Scale) -> None:
        """Take the provider that stands behind all of them.

        Args:
            provider: It.
            runner: Makes a runner for the provider's side and a peer's.
            scale: How much is measured.
        """
        self._provider = provider
        self._runner = runner
        self._scale = scale
        self._direct = Side(provider.url, ("sk-simulated",), {"simulator": provider.pid})

    async def measure(self, peer: Peer, side: Side, say: Callable[[str], None], over: Callable[[], bool]) -> Figures:
        """All rounds of a peer, or as many as there is time for; `over` says when there is none.

        Raises:
            WindowError: a window could not be measured.
        """
        runner, scale = self._runner(self._direct, side), self._scale
        say(f"{peer.name}: the provider alone, and a warm-up")
        baselines = [
            await runner.measure(window)
            for window in (
                Window("idle", direct=True, seconds=scale.idle_s / 2, directive=IDLE),
                Window("realistic", direct=True, seconds=scale.realistic_s / 2, qps=_BASELINE_RATE),
                Window("burst", direct=True, seconds=scale.burst_s / 2, concurrency=_CONCURRENCY, directive=BURST),
            )
        ]
        warm_up = Window("warm-up", direct=False, seconds=2, concurrency=8, directive=BURST)
        warm = await runner.measure(warm_up)
        if not warm.load["completed"]:
            raise WindowError(f"{peer.name} answers nothing: {warm.load['errors']} {warm.load['error_example']}")
        figures = Figures(peer.name, peer.version, {each.window.shape: each for each in baselines}, own=[*side.pids])
        figures.idle_mb = {name: round(used.memory_bytes / 2**20, 1) for name, used in usages(side.pids).items()}
        while len(figures.rounds) < scale.rounds and not (over() and figures.rounds):
            say(f"{peer.name}: round {len(figures.rounds) + 1}")
            figures.rounds.append(await self._round(runner, peer, figures))
        if peer.lives and not over():
            say(f"{peer.name}: {scale.live} live streams")
            figures.live_streams, figures.live_mb = await self._live(runner, side)
        figures.discarded = runner.discarded
        return figures

    async def _round(self, runner: Runner, peer: Peer, figures: Figures) -> Round:
        scale = self._scale
        idle = Window("idle", direct=False, seconds=scale.idle_s, directive=IDLE)
        burst = Window("burst", direct=False, seconds=scale.burst_s, concurrency=_CONCURRENCY, directive=BURST)
        found = Round(await runner.measure(idle), await runner.measure(burst))
        if peer.caches:
            hits = Window("hits", False, scale.burst_s, concurrency=_CONCURRENCY, directive=BURST, alike=True)
            found.hits = await runner.measure(hits)
        baseline = figures.baselines["realistic"]
        steps = Steps(peer.rates, climbs=peer.climbs)
        while (rate := steps.next()) is not None:
            measured = await runner.measure(Window("realistic", direct=False, seconds=scale.realistic_s, qps=rate))
            found.rates[rate] = measured
            steps.told(rate, held=holds(measured, baseline, ADDED_MS_MAX))
        found.held = steps.held
        return found

    async def _live(self, runner: Runner, side: Side) -> tuple[int, dict[str, float]]:
        """The most streams that lived at once, and the memory while they did."""
        window = Window(
            "live", direct=False, seconds=1, concurrency=self._scale.live, directive=_LIVE, timeout_s=_LIVE_TIMEOUT_S
        )
        loading: asyncio.Task[Measured] = asyncio.create_task(runner.measure(window))
        most, memory = 0, dict[str, float]()
        try:
            while not loading.done():
                await asyncio.wait([loading], timeout=_MEMORY_EVERY_S)
                live = int(str((await self._provider.stats())["live"]))
                if live >= most and live > 0:
                    most = live
                    memory = {name: round(used.memory_bytes / 2**20, 1) for name, used in usages(side.pids).items()}
            await loading
        finally:
            loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loading
        return most, memory
