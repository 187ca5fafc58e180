"""What was measured, beside what is wanted: the targets of the design's performance budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.report import added_ms, services_cpu_ms, table
from bench.runner import Measured

# The rate of realistic chats that a node must hold, and what it may add to the first text while it does.
_RATE = 200.0
_ADDED_MS_MAX = 50.0

Baselines = Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class _Target:
    """A figure, what it must be and what it had better be; of most figures less is better."""

    name: str
    must: float
    want: float | None
    measured: Callable[[Sequence[Measured], Baselines], float | None]
    more_is_better: bool = False

    def row(self, results: Sequence[Measured], baselines: Baselines) -> tuple[str, ...]:
        """The figure's line."""
        found = self.measured(results, baselines)
        sign = "≥" if self.more_is_better else "≤"
        wanted = f"{sign} {self.want:g}" if self.want is not None else ""
        return (
            self.name,
            "-" if found is None else f"{found:g}",
            f"{sign} {self.must:g}",
            wanted,
            self._verdict(found),
        )

    def _verdict(self, found: float | None) -> str:
        if found is None:
            return "not measured"
        if self.want is not None and self._reaches(found, self.want):
            return "as wanted"
        return "reached" if self._reaches(found, self.must) else "MISSED"

    def _reaches(self, found: float, bound: float) -> bool:
        return found >= bound if self.more_is_better else found <= bound


def render(results: Sequence[Measured], baselines: Baselines) -> str:
    """The table of targets."""
    rows: list[tuple[str, ...]] = [("figure", "measured", "must", "want", "")]
    rows += [target.row(results, baselines) for target in _TARGETS]
    return f"Against the targets\n{table(rows)}"


def _through_the_mesh(results: Sequence[Measured], shape: str) -> list[Measured]:
    return [each for each in results if each.window.shape == shape and not each.window.direct]


def _idle(percentile: str) -> Callable[[Sequence[Measured], Baselines], float | None]:
    def measured(results: Sequence[Measured], baselines: Baselines) -> float | None:
        for each in _through_the_mesh(results, "idle"):
            if each.window.shape in baselines and (added := added_ms(each, baselines[each.window.shape])):
                return added[percentile]
        return None

    return measured


def _rate_held(results: Sequence[Measured], baselines: Baselines) -> float | None:
    """The highest measured rate at which the first text was not later than it may be; 0 when at none."""
    measured = _through_the_mesh(results, "realistic")
    held = [0.0]
    for each in measured:
        added = added_ms(each, baselines["realistic"]) if "realistic" in baselines else None
        if added and added["p50"] <= _ADDED_MS_MAX and each.window.qps:
            held.append(each.window.qps)
    return max(held) if measured else None


def _cpu_ms(results: Sequence[Measured], _: Baselines) -> float | None:
    """At the rate that must be held, or the nearest one below it that was measured."""
    rates = {each.window.qps or 0.0: each for each in _through_the_mesh(results, "realistic")}
    nearest = max((rate for rate in rates if rate <= _RATE), default=None)
    return None if nearest is None else round(services_cpu_ms(rates[nearest]), 2)


def _qps(shape: str) -> Callable[[Sequence[Measured], Baselines], float | None]:
    def measured(results: Sequence[Measured], _: Baselines) -> float | None:
        return next((float(str(each.load["qps"])) for each in _through_the_mesh(results, shape)), None)

    return measured


_TARGETS = (
    _Target("added to the first text, one user, p50 ms", 15, 6, _idle("p50")),
    _Target("the same, p99 ms", 30, None, _idle("p99")),
    _Target("realistic chats a second, + 50 ms at most", _RATE, 400, _rate_held, more_is_better=True),
    _Target("CPU-ms of a realistic chat, all services", 8, 4, _cpu_ms),
    _Target("answers in one burst (misses), QPS", 800, 1500, _qps("burst"), more_is_better=True),
    _Target("answers of the cache (hits), QPS", 3000, 20_000, _qps("hits"), more_is_better=True),
)
