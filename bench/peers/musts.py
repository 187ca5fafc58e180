"""The mesh beside its peers: what it must reach, what is wanted, and what was measured in the same run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.peers.figures import Figures
from bench.report import SERVICES, table

QUEQIAO, PORTKEY, LITELLM, NGINX = "Queqiao", "Portkey", "LiteLLM", "nginx"

_MISSED = "MISSED"

Found = Mapping[str, Figures]
_Figure = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Must:
    """A figure, its bounds and its unit; more is better, or less is."""

    name: str
    must: float | None
    want: float | None
    unit: str
    more_is_better: bool
    measured: Callable[[Found], float | None]

    def row(self, found: Found) -> tuple[str, ...]:
        """The figure's line."""
        return self.line(self.measured(found))

    def line(self, value: float | None) -> tuple[str, ...]:
        """The line of a measured value."""
        sign = "≥" if self.more_is_better else "≤"
        bounds = ("" if bound is None else f"{sign} {bound:g} {self.unit}" for bound in (self.must, self.want))
        return (self.name, *bounds, "-" if value is None else f"{value:.3g} {self.unit}", self.verdict(value))

    def verdict(self, value: float | None) -> str:
        """How the measured value stands to the bounds."""
        if value is None:
            return "not measured"
        if self._reaches(value, self.want):
            return "as wanted"
        if self.must is None:
            return "not as wanted"
        return "met" if self._reaches(value, self.must) else _MISSED

    def _reaches(self, value: float, bound: float | None) -> bool:
        if bound is None:
            return False
        return value >= bound if self.more_is_better else value <= bound


def rows(found: Found, grown_percent: float | None = None) -> list[tuple[str, ...]]:
    """The table, its head first; `grown_percent` is what a soak, another run, found of the services' memory."""
    head = ("figure", "must", "want", "measured", "")
    return [head, *(must.row(found) for must in MUSTS), SOAK.line(grown_percent)]


def render(rows: list[tuple[str, ...]]) -> str:
    """The table as text."""
    return f"Against what it must be, medians of the rounds\n{table(rows)}"


def missed(rows: list[tuple[str, ...]]) -> bool:
    """Whether a must was missed."""
    return any(row[-1] == _MISSED for row in rows)


def _against(other: str, figure: _Figure) -> Callable[[Found], float | None]:
    """The mesh's figure, in those of the other."""
    return lambda found: _ratio(_of(found, QUEQIAO, figure), _of(found, other, figure))


def _own(above: _Figure, below: _Figure) -> Callable[[Found], float | None]:
    """One of the mesh's figures, in another of them."""
    return lambda found: _ratio(_of(found, QUEQIAO, above), _of(found, QUEQIAO, below))


def _memory(of: Callable[[Figures], Mapping[str, float]]) -> Callable[[Found], float | None]:
    def services(figures: Figures) -> float | None:
        return sum(of(figures).get(name, 0.0) for name in SERVICES) or None

    return lambda found: _of(found, QUEQIAO, services)


def _of(found: Found, name: str, figure: _Figure) -> float | None:
    return figure(found[name]) if name in found else None


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


MUSTS = (
    Must("bursts, against Portkey", 2.5, 5, "x", True, _against(PORTKEY, Figures.burst_qps)),
    Must("bursts, against LiteLLM with two workers", 40, 80, "x", True, _against(LITELLM, Figures.burst_qps)),
    Must("realistic rate held, against Portkey", 1.5, None, "x", True, _against(PORTKEY, Figures.held)),
    Must("the same, chats a second", None, 500, "/s", True, lambda found: _of(found, QUEQIAO, Figures.held)),
    Must(
        "CPU of a realistic chat at 25/s, against Portkey",
        1,
        0.5,
        "x",
        False,
        _against(PORTKEY, lambda f: f.cpu_ms(25)),
    ),
    Must("the same at 100/s", 1, 0.5, "x", False, _against(PORTKEY, lambda f: f.cpu_ms(100))),
    Must("CPU at 10/s, against that at 100/s", 3, 2, "x", False, _own(lambda f: f.cpu_ms(10), lambda f: f.cpu_ms(100))),
    Must(
        "first text added, idle, against Portkey",
        0.4,
        0.2,
        "x",
        False,
        _against(PORTKEY, lambda f: f.idle_added("p50")),
    ),
    Must("hits against misses, in bursts", 3, 10, "x", True, _own(Figures.hits_qps, Figures.burst_qps)),
    Must("memory of the four services, idle", 500, 250, "MB", False, _memory(lambda f: f.idle_mb)),
    Must("the same with 1,000 live streams", 800, 400, "MB", False, _memory(lambda f: f.live_mb)),
)

SOAK = Must("memory that a soak adds", 5, 2, "%", False, lambda found: None)
