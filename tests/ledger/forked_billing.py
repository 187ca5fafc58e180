"""Billing's own process, forked from one that has imported it already: a start costs a tenth of its CPU.

Everything else is as in `python -m services.billing`: its configuration, connections, threads and signals are its own.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import services.billing.app  # noqa: F401  # before the fork: `main` would import it in each child
from services.billing.__main__ import main


def start(environment: Mapping[str, str]) -> ForkServerProcess:
    """Start it; it is not serving yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    process = context.Process(target=_serve, args=(dict(environment),))
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """SIGKILL."""
    process.kill()
    process.join()
    process.close()


def _serve(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until it is killed
    main()
