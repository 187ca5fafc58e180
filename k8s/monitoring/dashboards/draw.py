"""Draw the dashboards' panels from a Prometheus, for places without Grafana.

    python -m k8s.monitoring.dashboards.draw http://127.0.0.1:9090 docs/images/dashboards [minutes]

One PNG a dashboard, with its panels in the same order.
"""

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from k8s.monitoring.dashboards.catalogue import DASHBOARDS
from k8s.monitoring.dashboards.model import Dashboard, Kind, Panel, Query, Unit

_COLUMNS = 3
_POINTS = 150
# What a panel's legend has room for.
_SERIES_MAX = 8
_COLOURS = ("#3274d9", "#e0752d", "#299c46", "#b877d9", "#c4162a", "#8a8a8a", "#37872d", "#ff9830")


def main() -> None:
    """Draw every dashboard."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 15
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"font.size": 8, "axes.titlesize": 9, "axes.titleweight": "bold"})
    for page in DASHBOARDS:
        _page(page, url, minutes * 60).savefig(folder / f"{page.uid}.png", dpi=80)


def _page(page: Dashboard, url: str, span_s: float) -> Figure:
    panels = page.panels
    lines = math.ceil(len(panels) / _COLUMNS)
    figure = Figure(figsize=(16, 2.9 * lines + 0.6), layout="constrained")
    figure.suptitle(page.title, fontsize=13, fontweight="bold")
    axes = figure.subplots(lines, _COLUMNS, squeeze=False)
    for number, axis in enumerate(axes.flat):
        if number < len(panels):
            _panel(axis, panels[number], url, span_s)
        else:
            axis.set_visible(False)
    return figure


def _panel(axis: Axes, panel: Panel, url: str, span_s: float) -> None:
    axis.set_title(f"{panel.title}  [{panel.unit.name.lower().replace('_', ' ')}]", loc="left")
    found = [(query, series) for query in panel.queries for series in _series(url, query, span_s)]
    if panel.kind is Kind.FIGURES:
        _figures(axis, panel, found)
        return
    for (query, series), colour in zip(found[:_SERIES_MAX], _COLOURS, strict=False):
        times, values = _with_gaps(series["values"], span_s)
        axis.plot(
            times,  # type: ignore[arg-type]  # the stubs forget that times can be drawn
            values,
            label=_legend(query, series["metric"]),
            color=colour,
            linewidth=1.3,
        )
    if panel.limit is not None:
        axis.axhline(panel.limit, color="#c4162a", linestyle="--", linewidth=0.8)
    # Room for the legend above the lines.
    axis.set_ylim(bottom=0, top=axis.get_ylim()[1] * (1.1 + 0.12 * min(len(found), _SERIES_MAX)) or 1)
    end = datetime.fromtimestamp(time.time(), UTC)
    axis.set_xlim(end - timedelta(seconds=span_s), end)  # type: ignore[arg-type]  # as above
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]  # matplotlib has none
    axis.xaxis.set_major_locator(dates.AutoDateLocator(minticks=3, maxticks=6))  # type: ignore[no-untyped-call]  # as above
    if not found:
        axis.text(0.5, 0.5, "no data", transform=axis.transAxes, ha="center", color="#8a8a8a")
    else:
        axis.legend(fontsize=6.5, frameon=False, loc="upper left")


def _with_gaps(values: list[list[Any]], span_s: float) -> tuple[list[datetime], list[float]]:
    """The points of a line, which breaks where the series was silent."""
    step_s = max(span_s / _POINTS, 1.0)
    times: list[datetime] = []
    drawn: list[float] = []
    last = math.inf
    for at, value in values:
        if at - last > 2 * step_s:
            times.append(datetime.fromtimestamp(last + step_s, UTC))
            drawn.append(math.nan)
        times.append(datetime.fromtimestamp(at, UTC))
        drawn.append(float(value))
        last = at
    return times, drawn


def _figures(axis: Axes, panel: Panel, found: list[tuple[Query, Any]]) -> None:
    axis.axis("off")
    for number, (query, series) in enumerate(found[:_SERIES_MAX]):
        finite = [float(value) for _, value in series["values"] if math.isfinite(float(value))]
        said = _said(finite[-1], panel.unit) if finite else "no data"
        height = 1 - (number + 0.5) / max(len(found), 2)
        axis.text(0.02, height, said, fontsize=15, fontweight="bold", color=_COLOURS[0], va="center")
        axis.text(0.48, height, _legend(query, series["metric"]), fontsize=9, va="center")


def _said(value: float, unit: Unit) -> str:
    if unit is Unit.SHARE:
        return f"{value * 100:.2f} %"
    if unit is Unit.YUAN:
        return f"¥{value:,.2f}"
    if unit is Unit.SECONDS:
        return f"{value:,.3g} s" if value < 3600 else f"{value / 3600:,.1f} h"
    return f"{value:,.4g}"


def _legend(query: Query, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), query.legend).strip()


def _series(url: str, query: Query, span_s: float) -> list[Any]:
    now, step_s = time.time(), max(span_s / _POINTS, 1.0)
    parameters = {
        "query": query.expr.replace("$__rate_interval", "30s"),
        "start": f"{now - span_s}",
        "end": f"{now}",
        "step": f"{step_s}",
    }
    asked = f"{url}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(asked) as answer:  # noqa: S310  # the address that was given
        found: list[Any] = json.load(answer)["data"]["result"]
    return found


if __name__ == "__main__":
    main()
