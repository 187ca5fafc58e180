"""What a dashboard is: panels with queries, as data. Grafana's JSON, the tests and the pictures are made from it."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """Units, by Grafana's names."""

    COUNT = "short"
    PER_SECOND = "cps"
    PER_MINUTE = "cpm"
    SECONDS = "s"
    SHARE = "percentunit"
    YUAN = "currencyCNY"
    BYTES = "bytes"
    CORES = "none"
    STATE = "bool_on_off"


class Kind(StrEnum):
    """How a panel looks: series over time, or the last values as large figures."""

    LINES = "lines"
    FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and how its series are called, in Grafana's `{{label}}` form."""

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; `limit` is drawn as a line."""

    title: str
    about: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    hours: int = 6

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels."""
        return tuple(panel for row in self.rows for panel in row.panels)


def lines(title: str, about: str, unit: Unit, *queries: Query, limit: float | None = None) -> Panel:
    """Series over time."""
    return Panel(title, about, unit, queries, Kind.LINES, limit)


def figures(title: str, about: str, unit: Unit, *queries: Query) -> Panel:
    """Last values."""
    return Panel(title, about, unit, queries, Kind.FIGURES)


def quantile(share: float, histogram: str, *by: str, where: str = "") -> str:
    """The expression of a quantile over all replicas, by these labels."""
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({histogram}_bucket{where}[$__rate_interval])))"


def rate(counter: str, *by: str, where: str = "") -> str:
    """The expression of a rate a second over all replicas, by these labels."""
    return f"sum by ({', '.join(by)}) (rate({counter}{where}[$__rate_interval]))"


def per_minute(counter: str, *by: str, where: str = "") -> str:
    """As rate, a minute."""
    return f"60 * {rate(counter, *by, where=where)}"
