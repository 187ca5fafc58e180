"""One clock for the heartbeats of all streams."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# How often it looks, in a longest silence: what is silent for nearly as long gets its heartbeat early.
_LOOKS = 8


class Heartbeats:
    """Looks at every open stream now and then; nothing is set up for each, and nothing when it is written to."""

    def __init__(self, silence_s: float) -> None:
        """No stream may be silent for longer."""
        self.silence_s = silence_s
        self._look_s = silence_s / _LOOKS
        self._streams: dict[object, Callable[[float], None]] = {}
        self._next: asyncio.TimerHandle | None = None

    @property
    def due_s(self) -> float:
        """A stream that is silent for so long may not wait for the next look."""
        return self.silence_s - self._look_s

    @contextmanager
    def looking(self, look: Callable[[float], None]) -> Iterator[None]:
        """Inside, `look` is called at each look, with the event loop's time."""
        key = object()
        self._streams[key] = look
        if self._next is None:
            self._wait()
        try:
            yield
        finally:
            del self._streams[key]

    def _wait(self) -> None:
        self._next = asyncio.get_running_loop().call_later(self._look_s, self._look)

    def _look(self) -> None:
        self._next = None
        now = asyncio.get_running_loop().time()
        for look in tuple(self._streams.values()):
            look(now)
        if self._streams:
            self._wait()
