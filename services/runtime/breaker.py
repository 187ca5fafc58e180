"""A circuit breaker: what failed several times in a row is left alone for a while, then tried with a single call.

Libraries were looked at: purgatory lets every caller try at once when the time is over, aiobreaker and pybreaker are no
longer kept or know no asyncio.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What to wait for while somebody else's probe is under way.
_PROBING_S = 1.0


class CircuitOpenError(Exception):
    """What is behind the circuit is left alone now."""


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

    @property
    def wait_s(self) -> float:
        """How long until a call may go, about; 0 when one may go now."""
        if self._probe_at is None:
            return 0.0
        return _PROBING_S if self._probing else max(0.0, self._probe_at - self._clock())

    def admit(self) -> "Attempt":
        """Let a call go; it must report how it ended.

        Raises:
            CircuitOpenError: The circuit is open.
        """
        if self._probe_at is None:
            return Attempt(self._report, probe=False)
        if self.wait_s > 0:
            raise CircuitOpenError
        self._probing = True
        return Attempt(self._report, probe=True)

    @contextmanager
    def call(self, is_failure: Callable[[Exception], bool]) -> Iterator[None]:
        """Learn from how a call ends; one that is cancelled, or fails by no fault of the other side, teaches nothing.

        Raises:
            CircuitOpenError: The circuit is open.
        """
        attempt = self.admit()
        try:
            yield
        except Exception as error:
            if is_failure(error):
                attempt.failed()
            raise
        else:
            attempt.succeeded()
        finally:
            attempt.abandoned()

    def trip(self) -> None:
        """Open the circuit, or leave it open for as long again."""
        was_closed = self._probe_at is None
        self._probe_at = self._clock() + self._open_s
        if was_closed:
            self._on_change(True)

    def _report(self, success: bool | None, probe: bool) -> None:
        """How a call ended; None teaches nothing. Whatever ended a probe, another may go when it is time."""
        if probe:
            self._probing = False
        if success:
            self._succeeded(probe=probe)
        elif success is not None:
            self._failed(probe=probe)

    def _failed(self, *, probe: bool) -> None:
        if probe:
            self.trip()
        elif self._probe_at is None:
            self._failures += 1
            if self._failures >= self._failures_max:
                self.trip()

    def _succeeded(self, *, probe: bool) -> None:
        # A call that set out before the circuit opened does not close it.
        if probe:
            self._probe_at = None
            self._on_change(False)
        if self._probe_at is None:
            self._failures = 0


class Attempt:
    """One call through a circuit; how it ended is reported once, and every later report counts for nothing."""

    def __init__(self, report: Callable[[bool | None, bool], None], *, probe: bool) -> None:
        """`report` is told whether it went well (None: nobody knows), and whether it was a probe."""
        self._report = report
        self._probe = probe
        self._over = False

    def answered(self) -> None:
        """There is an answer, which goes on: all that a probe was to find out."""
        if self._probe and not self._over:
            self._probe = False
            self._report(True, True)

    def succeeded(self) -> None:
        """It went well."""
        self._end(True)

    def failed(self) -> None:
        """It failed by the other side's fault."""
        self._end(False)

    def abandoned(self) -> None:
        """It ended in a way that teaches nothing."""
        self._end(None)

    def _end(self, success: bool | None) -> None:
        if not self._over:
            self._over = True
            self._report(success, self._probe)
