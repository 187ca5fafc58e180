"""Keeps the parts of a mesh: starts again what dies, and stops all in the right order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from sandbox.processes import PartError, Process

# A part that takes longer than this to come up is not coming.
READY_TIMEOUT_S = 30.0

# A part is started again so often in a minute; the first time at once, then later and later.
_RESTARTS_MAX = 5
_WINDOW_S = 60.0
_BACKOFF_S, _BACKOFF_S_MAX = 0.2, 5.0

Probe = Callable[[], Awaitable[bool]]


async def _nothing() -> None:
    """Nothing is waited for before a part is started again."""


class Supervisor:
    """The running parts, in layers: a higher layer uses lower ones and stops before them."""

    def __init__(self, restarted: Callable[[str], None] | None = None, *, stop_grace_s: float = 8.0) -> None:
        """Begin with none.

        Args:
            restarted: Told, in a sentence, of each part that died and is started again; None to start none again.
            stop_grace_s: What a part may take to stop in good order before it is killed.
        """
        self._restarted = restarted
        self._stop_grace_s = stop_grace_s
        self._layers: dict[int, list[Process]] = {}
        self._watchers: list[asyncio.Task[PartError]] = []

    def adopt(self, layer: int, process: Process) -> Process:
        """Be responsible for a process from now on."""
        self._layers.setdefault(layer, []).append(process)
        return process

    async def ready(self, process: Process, probe: Probe, *, before: Callable[[], Awaitable[None]] = _nothing) -> None:
        """Wait until it is ready, then watch it; `before` it is started again, wait for this.

        Raises:
            PartError: It did not come up.
        """
        await process.ready(probe, timeout_s=READY_TIMEOUT_S)
        self._watchers.append(asyncio.create_task(self._watch(process, probe, before)))

    async def given_up(self) -> PartError:
        """Wait until a part dies that is not started again; answers what to say about it."""
        done, _ = await asyncio.wait(self._watchers, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    async def stop(self) -> None:
        """Stop everything, highest layer first."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for _, processes in sorted(self._layers.items(), reverse=True):
            await asyncio.gather(*(process.stop(grace_s=self._stop_grace_s) for process in processes))
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

    async def _watch(self, process: Process, probe: Probe, before: Callable[[], Awaitable[None]]) -> PartError:
        """Start it again whenever it dies; answers its last death, when it has died too often."""
        clock = asyncio.get_running_loop().time
        deaths: deque[float] = deque()
        while True:
            death = await process.died()
            while deaths and deaths[0] < clock() - _WINDOW_S:
                deaths.popleft()
            if self._restarted is None or len(deaths) >= _RESTARTS_MAX:
                return death
            deaths.append(clock())
            self._restarted(
                f"{process.name} {process.how_it_ended()} and is started again ({len(deaths)} of "
                f"{_RESTARTS_MAX} times in a minute)"
            )
            await asyncio.sleep(min(_BACKOFF_S * 2 ** (len(deaths) - 1), _BACKOFF_S_MAX))
            await before()
            try:
                await process.restart()
                await process.ready(probe, timeout_s=READY_TIMEOUT_S)
            except PartError:
                # That it does not come up counts as one more death.
                process.kill()
