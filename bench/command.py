"""What the commands that measure the whole mesh have in common: how they speak, are stopped, and end."""

import asyncio
import shutil
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

from bench.runner import WindowError
from sandbox import postgres
from sandbox.processes import PartError


def say(line: str) -> None:
    """Tell whoever waits what is being done."""
    print(f"  {line}", file=sys.stderr, flush=True)


def measure(work: Coroutine[Any, Any, bool], state: Path) -> NoReturn:
    """Run to the end, remove the mesh's state and leave the process: with 0 when it answered that all was well, else 1.

    SIGINT and SIGTERM cancel it and make the status 130; whatever it started is stopped first.
    """
    try:
        well = asyncio.run(_cancelled_by_signals(work))
    except (PartError, WindowError, RuntimeError) as error:
        sys.exit(f"bench: {error}")
    except asyncio.CancelledError:
        sys.exit(130)
    # After a failure the state stays, for its logs.
    for folder in (*postgres.folders_outside(state), state):
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if well else 1)


async def _cancelled_by_signals(work: Coroutine[Any, Any, bool]) -> bool:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await work
