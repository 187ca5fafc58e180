"""What the rounds of a peer's measurement say together: medians, and the highest rate that was held."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from operator import attrgetter

from bench.report import added_ms
from bench.runner import Measured

# What a peer may add to the first text, at the median, at a rate that it is said to hold.
ADDED_MS_MAX = 50.0
_RATE_MAX = 1600.0
_REFINEMENTS = 2
_QPS = attrgetter("qps")


class Steps:
    """Which rates to measure: the given ones, then twice as many while they are held, then between the last two."""

    def __init__(self, rates: Sequence[float], *, climbs: bool = True) -> None:
        """Begin with these, in rising order; `climbs` goes on from there."""
        self._planned = list(rates)
        self._climbs = climbs
        self._refinements = 0
        self.held = 0.0
        self._failed = math.inf

    def next(self) -> float | None:
        """The next rate; None when enough is known."""
        if self._planned:
            return self._planned.pop(0)
        if not self._climbs:
            return None
        if self._failed == math.inf:
            return self.held * 2 if 0 < self.held * 2 <= _RATE_MAX else None
        if self._refinements == _REFINEMENTS or self.held == 0:
            return None
        self._refinements += 1
        return float(round(math.sqrt(self.held * self._failed)))

    def told(self, rate: float, *, held: bool) -> None:
        """Take note of a rate's outcome; what comes above one that failed counts no more."""
        if not held:
            self._failed = min(self._failed, rate)
        elif rate < self._failed:
            self.held = max(self.held, rate)


def holds(measured: Measured, baseline: Measured, added_ms_max: float) -> bool:
    """Whether every chat of a window was answered, as fast as they arrived, and with little added."""
    added = added_ms(measured, baseline)
    answered = not measured.load["errors"] and measured.kept_up
    return answered and added is not None and added["p50"] <= added_ms_max


@dataclass(slots=True)
class Round:
    """One round; `held` is the highest rate that was held in it."""

    idle: Measured
    burst: Measured
    hits: Measured | None = None
    rates: dict[float, Measured] = field(default_factory=dict)
    held: float = 0.0


@dataclass(slots=True)
class Figures:
    """All of one peer. `own` are its processes; memory is megabytes, by process."""

    name: str
    version: str
    baselines: dict[str, Measured]
    own: Sequence[str]
    rounds: list[Round] = field(default_factory=list)
    idle_mb: dict[str, float] = field(default_factory=dict)
    live_mb: dict[str, float] = field(default_factory=dict)
    live_streams: int = 0
    discarded: list[Measured] = field(default_factory=list)

    def rates(self) -> list[float]:
        """All rates that were measured, rising."""
        return sorted({rate for each in self.rounds for rate in each.rates})

    def burst_qps(self) -> float | None:
        """Bursts a second."""
        return _median((each.burst for each in self.rounds), _QPS)

    def hits_qps(self) -> float | None:
        """Answers of the cache a second."""
        return _median((each.hits for each in self.rounds if each.hits), _QPS)

    def idle_added(self, percentile: str) -> float | None:
        """What is added to the first text when there is nothing else to do."""
        return _median((each.idle for each in self.rounds), self._added("idle", percentile))

    def added(self, rate: float, percentile: str) -> float | None:
        """What is added to the first text at a rate."""
        return _median(self._at(rate), self._added("realistic", percentile))

    def qps(self, rate: float) -> float | None:
        """How many chats a second were answered when so many were asked."""
        return _median(self._at(rate), _QPS)

    def kept_up(self, rate: float) -> bool:
        """Whether most rounds kept up with a rate."""
        windows = self._at(rate)
        return sum(each.kept_up for each in windows) * 2 > len(windows)

    def events(self, rate: float) -> float | None:
        """In how many events an answer came."""
        return _median(self._at(rate), lambda measured: float(str(measured.load["events_per_chat"])))

    def cpu_ms(self, rate: float) -> float | None:
        """CPU milliseconds a chat of all the peer's processes, its databases too, at a rate."""
        return _median(self._at(rate), lambda m: sum(m.cpu_ms_per_chat.get(name, 0.0) for name in self.own))

    def held(self) -> float | None:
        """The highest rate that was held."""
        return statistics.median(each.held for each in self.rounds) if self.rounds else None

    def as_json(self) -> dict[str, object]:
        """Everything, for the results' file."""
        return asdict(self)

    def _at(self, rate: float) -> list[Measured]:
        return [each.rates[rate] for each in self.rounds if rate in each.rates]

    def _added(self, shape: str, percentile: str) -> Callable[[Measured], float | None]:
        def added(measured: Measured) -> float | None:
            found = added_ms(measured, self.baselines[shape])
            return None if found is None else found[percentile]

        return added


def _median(windows: Iterable[Measured], figure: Callable[[Measured], float | None]) -> float | None:
    """The median over the rounds; disturbed windows count only where there is no other."""
    given = list(windows)
    quiet = [each for each in given if not each.disturbed] or given
    values = [value for each in quiet if (value := figure(each)) is not None]
    return round(statistics.median(values), 2) if values else None
