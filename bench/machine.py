"""What a measurement costs the machine, and what the machine is."""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

_LIBRARIES = ("grpcio", "openai", "aiohttp", "uvloop", "starlette", "uvicorn", "asyncpg", "redis", "protobuf")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants have used: CPU seconds since their start, and memory in bytes now.

    `resident_bytes` counts a page once for every process that has it, `memory_bytes` once for all.
    """

    cpu_s: float
    memory_bytes: int
    resident_bytes: int

    def __add__(self, other: "Usage") -> "Usage":
        """Both together."""
        return Usage(
            self.cpu_s + other.cpu_s,
            self.memory_bytes + other.memory_bytes,
            self.resident_bytes + other.resident_bytes,
        )


def usage(pid: int) -> Usage:
    """The usage of a process tree.

    Memory is the proportional set size where the kernel tells it, so pages that PostgreSQL's processes share count
    once. The CPU time of descendants that have ended counts as soon as their parent has waited for them.
    """
    cpu_s = 0.0
    memory_bytes = resident_bytes = 0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
            memory = process.memory_full_info()
        except psutil.NoSuchProcess:
            if process is root:
                raise
            continue
        cpu_s += times.user + times.system
        cpu_s += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        memory_bytes += getattr(memory, "pss", memory.rss)
        resident_bytes += memory.rss
    return Usage(cpu_s, memory_bytes, resident_bytes)


def usages(pids: Mapping[str, int]) -> dict[str, Usage]:
    """The usage of each named process tree; workers of one service, such as "chat" and "chat 2", count as one."""
    found: dict[str, Usage] = {}
    for name, pid in pids.items():
        service = name.partition(" ")[0]
        found[service] = found.get(service, Usage(0.0, 0, 0)) + usage(pid)
    return found


@dataclass(frozen=True, slots=True)
class CpuClock:
    """All CPUs' time so far, in seconds, and the part of it that the hypervisor gave to other machines."""

    total_s: float
    steal_s: float

    @classmethod
    def now(cls) -> "CpuClock":
        """Reads the clock; there is no steal where the system does not tell it."""
        times = psutil.cpu_times()
        # Linux counts guests' time in user and nice already.
        counted = [value for name, value in times._asdict().items() if not name.startswith("guest")]
        return cls(sum(counted), getattr(times, "steal", 0.0))

    def steal_share_since(self, earlier: "CpuClock") -> float:
        """Which share of the time between `earlier` and this was stolen, from 0 to 1."""
        total_s = self.total_s - earlier.total_s
        return (self.steal_s - earlier.steal_s) / total_s if total_s > 0 else 0.0


def describe() -> dict[str, object]:
    """The machine and the software, for whoever wants to repeat the measurement; how busy it is before it begins."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "load_average": round(psutil.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return answer.stdout.strip() or None
