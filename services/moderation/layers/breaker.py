"""A circuit breaker: what failed several times in a row is left alone for a while, then tried with a single call.

Libraries were looked at: purgatory lets every caller try at once when the time is over, aiobreaker and pybreaker are no
longer kept or know no asyncio.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.moderation.errors import LayerDownError

# What speaks of the layer's health; a text that it does not take or a quota that is used up does not.
_FAILURES = frozenset({"timeout", "error"})


class Breaker:
    """Closed until `failures_max` in a row, then open for `open_s`, then closed again if one probe succeeds."""

    def __init__(
        self,
        *,
        failures_max: int,
        open_s: float,
        on_change: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin closed; `on_change` is told True when the circuit opens and False when it closes."""
        self._failures_max = failures_max
        self._open_s = open_s
        self._on_change = on_change
        self._clock = clock
        self._failures = 0
        # When a probe may go; None while the circuit is closed.
        self._probe_at: float | None = None
        self._probing = False
        on_change(False)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Learn from how a call ends; one that is cancelled or fails by no fault of the layer's teaches nothing.

        Raises:
            LayerDownError: The circuit is open.
        """
        probe = self._admit()
        try:
            yield
        except LayerDownError as error:
            if error.why in _FAILURES:
                self._failed(probe=probe)
            raise
        else:
            self._succeeded(probe=probe)
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Whether this call is the probe."""
        if self._probe_at is None:
            return False
        if self._probing or self._clock() < self._probe_at:
            raise LayerDownError("open")
        self._probing = True
        return True

    def _failed(self, *, probe: bool) -> None:
        if probe:
            self._probe_at = self._clock() + self._open_s
        elif self._probe_at is None:
            self._failures += 1
            if self._failures >= self._failures_max:
                self._probe_at = self._clock() + self._open_s
                self._on_change(True)

    def _succeeded(self, *, probe: bool) -> None:
        # A call that set out before the circuit opened does not close it.
        if probe:
            self._probe_at = None
            self._on_change(False)
        if self._probe_at is None:
            self._failures = 0
