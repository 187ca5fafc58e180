"""What was found out a short while ago, in this process's memory."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Recent(Generic[KeyT, ValueT]):
    """A bounded cache whose entries expire; when it is full, the one that was not needed for longest goes."""

    def __init__(self, *, ttl_s: float, size_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep so many entries for so long; `clock` in seconds."""
        self._ttl_s = ttl_s
        self._size_max = size_max
        self._clock = clock
        self._entries: OrderedDict[KeyT, tuple[ValueT, float]] = OrderedDict()

    def get(self, key: KeyT) -> ValueT | None:
        """What was put there, unless that is too long ago."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires = entry
        if expires <= self._clock():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: KeyT, value: ValueT) -> None:
        """Remember it from now on."""
        self._entries[key] = (value, self._clock() + self._ttl_s)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size_max:
            self._entries.popitem(last=False)
