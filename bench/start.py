"""`python -m bench.start`: what it costs to start the mesh, the first time and when its state is there.

Prints the time until it is ready, and the CPU time that the launcher and all its processes have taken by then, those
that have ended included. The model is the sandbox's own, as with `make run`.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil

from sandbox import postgres
from sandbox.mesh import Mesh
from sandbox.processes import minimal_env


def main() -> None:
    """Start twice on one state folder, each time in a launcher of its own, and print a line for each."""
    if sys.argv[1:]:
        asyncio.run(_start(Path(sys.argv[1]), sys.argv[2]))
        return
    folder = Path(tempfile.mkdtemp(prefix="queqiao-start-"))
    try:
        for which in ("first", "second"):
            asyncio.run(_launcher(folder, which))
    finally:
        for outside in (*postgres.folders_outside(folder), folder):
            shutil.rmtree(outside, ignore_errors=True)


async def _launcher(folder: Path, which: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.start", str(folder), which)
    if await process.wait() != 0:
        sys.exit(1)


async def _start(folder: Path, which: str) -> None:
    async with Mesh(folder, given=minimal_env(), port=0):
        launcher = psutil.Process()
        # Children that have ended are in their parent's times.
        cpu_s = sum(sum(each.cpu_times()[:4]) for each in (launcher, *launcher.children(recursive=True)))
        wall_s = time.time() - launcher.create_time()
    print(f"{which} start: ready after {wall_s:.1f} s and {cpu_s:.1f} CPU-seconds", flush=True)


if __name__ == "__main__":
    main()
