"""Pictures of a measurement: lines over an axis, as PNG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture: what its axes say, whether they are logarithmic, and a line at a bound."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Points]
    logarithmic: bool = False
    bound: float | None = None


def draw(plot: Plot, file: Path) -> None:
    """Draws the picture; a line without points is left out."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for name, points in plot.lines.items():
        if points:
            axes.plot(
                [x for x, _ in points], [y for _, y in points], marker="." if plot.logarithmic else "", label=name
            )
    if plot.bound is not None:
        axes.axhline(plot.bound, color="gray", linestyle="--", linewidth=1, label=f"{plot.bound:g}")
    if plot.logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    axes.grid(visible=True, which="both", alpha=0.3)
    figure.legend(loc="outside right upper")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
