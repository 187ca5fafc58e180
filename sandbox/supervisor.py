"""Keeps the parts of a mesh: notices when one dies, stops them in the right order."""

import asyncio
from collections.abc import Awaitable, Callable

from sandbox.processes import PartError, Process

# A part that takes longer than this to come up is not coming.
READY_TIMEOUT_S = 30.0

# What a part may take to stop in good order before it is killed.
_STOP_GRACE_S = 8.0


class Supervisor:
    """The running parts, in layers: a higher layer uses lower ones and stops before them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._layers: dict[int, list[Process]] = {}
        self._watchers: list[asyncio.Task[PartError]] = []

    def adopt(self, layer: int, process: Process) -> Process:
        """Be responsible for a process from now on."""
        self._layers.setdefault(layer, []).append(process)
        return process

    async def ready(self, process: Process, probe: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it is ready, then watch it.

        Raises:
            PartError: It did not come up.
        """
        await process.ready(probe, timeout_s=READY_TIMEOUT_S)
        self._watchers.append(asyncio.create_task(process.died()))

    async def first_death(self) -> PartError:
        """Wait until a part dies; answers what to say about it."""
        done, _ = await asyncio.wait(self._watchers, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    async def stop(self) -> None:
        """Stop everything, highest layer first."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for _, processes in sorted(self._layers.items(), reverse=True):
            await asyncio.gather(*(process.stop(grace_s=_STOP_GRACE_S) for process in processes))
        self._layers.clear()

    def process(self, name: str) -> Process:
        """The running part of that name.

        Raises:
            KeyError: There is none.
        """
        for processes in self._layers.values():
            for process in processes:
                if process.name == name:
                    return process
        raise KeyError(name)
