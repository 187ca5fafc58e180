"""Runs the windows of a measurement: one load each, and what every process used meanwhile."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import CpuClock, usages

_ROOT = Path(__file__).resolve().parent.parent
STEAL_SHARE_MAX = 0.05
# At so small a share of the rate at which chats arrive, a target falls behind.
_KEEPS_UP = 0.95
_SPARE_S = 20.0


class WindowError(Exception):
    """A window could not be measured."""


@dataclass(frozen=True, slots=True)
class Window:
    """One measurement. `direct` asks the provider itself; `shape` names what may be compared with each other.

    Every question is another one unless they are `alike`: then the answer cache has the answer.
    """

    shape: str
    direct: bool
    seconds: float
    qps: float | None = None
    concurrency: int | None = None
    directive: str = ""
    alike: bool = False
    timeout_s: float = 30.0

    @property
    def mode(self) -> str:
        """The load generator's mode: a rate is kept, a crowd asks at once, or one user asks."""
        if self.qps is not None:
            return "realistic"
        return "idle" if self.concurrency is None else "burst"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are measured: its base URL, its users' keys, its processes by name, and headers it wants."""

    url: str
    api_keys: Sequence[str]
    pids: Mapping[str, int]
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What a window gave. CPU is milliseconds per completed chat, memory megabytes at the end, by process."""

    window: Window
    load: dict[str, object]
    cpu_ms_per_chat: dict[str, float]
    memory_mb: dict[str, float]
    steal_share: float
    repeated: bool = False

    @property
    def disturbed(self) -> bool:
        """Whether the hypervisor took so much time that the figures are worth nothing."""
        return self.steal_share > STEAL_SHARE_MAX

    @property
    def kept_up(self) -> bool:
        """Whether chats were answered as fast as they arrived, which is at about the rate that was asked."""
        arrived = float(str(self.load["scheduled"])) / self.window.seconds
        return self.window.qps is None or self.qps >= _KEEPS_UP * arrived

    @property
    def qps(self) -> float:
        """Chats answered a second."""
        return float(str(self.load["qps"]))

    def as_json(self) -> dict[str, object]:
        """Everything, for the results' file."""
        return asdict(self) | {"disturbed": self.disturbed}


class Runner:
    """Measures windows, and a disturbed one a second time."""

    def __init__(self, direct: Side, mesh: Side | None, seed: int, program: Path | None = None) -> None:
        """Take the two sides.

        Args:
            direct: The simulated provider.
            mesh: The mesh; None to measure the provider alone.
            seed: Decides arrivals and questions.
            program: The compiled load generator; without it the one in Python.
        """
        self._program = program
        self._direct = direct
        self._mesh = mesh
        self._seed = seed
        self.discarded: list[Measured] = []
        self.others: list[Measured] = []

    async def measure(self, window: Window) -> Measured:
        """Runs a window.

        Raises:
            WindowError: the load generator failed, or a process ended.
        """
        measured = await self.once(window)
        if measured.disturbed:
            self.discarded.append(measured)
            measured = await self.once(window, repeated=True)
        return measured

    async def median(self, window: Window, times: int) -> Measured:
        """The middle one of so many runs, by the rate of a crowd, else by the first text; the others are kept aside.

        A rate that a target cannot keep up with is run once: its figures are those of a queue.

        Raises:
            WindowError: the load generator failed, or a process ended.
        """
        runs = [await self.measure(window)]
        while len(runs) < times and runs[0].kept_up:
            runs.append(await self.measure(window))
        runs.sort(key=_deciding)
        middle = runs.pop(len(runs) // 2)
        self.others += runs
        return middle

    async def once(self, window: Window, *, repeated: bool = False) -> Measured:
        """Runs a window, and takes it as it comes.

        Raises:
            WindowError: the load generator failed, or a process ended.
        """
        side = self._direct if window.direct else self._mesh
        if side is None:
            raise WindowError("there is no mesh to measure")
        # Each window asks other questions, so that no window meets the answers of an earlier one.
        self._seed += 1
        clock, before = CpuClock.now(), usages(side.pids)
        load = await self._load(window, side)
        after, steal_share = usages(side.pids), CpuClock.now().steal_share_since(clock)
        chats = load["completed"]
        assert isinstance(chats, int)
        cpu = {name: (after[name].cpu_s - before[name].cpu_s) * 1000 / chats for name in before if chats}
        memory = {name: used.memory_bytes / 2**20 for name, used in after.items()}
        return Measured(
            window=window,
            load=load,
            cpu_ms_per_chat={name: round(value, 3) for name, value in cpu.items()},
            memory_mb={name: round(value, 1) for name, value in memory.items()},
            steal_share=round(steal_share, 4),
            repeated=repeated,
        )

    async def _load(self, window: Window, side: Side) -> dict[str, object]:
        options: dict[str, object] = {
            "--url": side.url,
            "--mode": window.mode,
            "--seconds": window.seconds,
            "--qps": window.qps,
            "--concurrency": window.concurrency,
            "--directive": window.directive or None,
            "--timeout-s": window.timeout_s,
            "--seed": self._seed,
            "--program": self._program,
        }
        given = [item for name, value in options.items() if value is not None for item in (name, str(value))]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load", *given),
            *(item for key in side.api_keys for item in ("--api-key", key)),
            *(item for line in side.headers for item in ("--header", line)),
            *(("--same-question",) if window.alike else ()),
            cwd=_ROOT,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for this process, which then ends that one
        )
        try:
            async with asyncio.timeout(window.seconds + window.timeout_s + _SPARE_S):
                printed, _ = await process.communicate()
        except TimeoutError:
            raise WindowError(f"the load generator did not end ({window.shape})") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise WindowError(f"the load generator failed ({window.shape}); it has said why above")
        result: dict[str, object] = json.loads(printed)
        return result


def _deciding(measured: Measured) -> float:
    first = measured.load["first_content_ms"]
    return first["p50"] if measured.window.mode != "burst" and isinstance(first, dict) else measured.qps
