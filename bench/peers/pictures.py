"""The peers' latency and CPU against the rate, as pictures."""

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.peers.figures import ADDED_MS_MAX, Figures
from bench.plots import Plot, Points, draw

# A logarithmic axis has no nothing: what is less than this is left out.
_LEAST = 0.1


def draw_all(found: Mapping[str, Figures], folder: Path, name: str) -> list[Path]:
    """Draws the pictures; answers their files."""
    asked = "realistic chats asked, per second"
    plots = {
        "latency": Plot(
            "Added to the first text, median",
            asked,
            "ms",
            {each: _points(figures, lambda f, rate: f.added(rate, "p50")) for each, figures in found.items()},
            logarithmic=True,
            bound=ADDED_MS_MAX,
        ),
        "cpu": Plot(
            "CPU of a realistic chat, all processes of each",
            asked,
            "CPU-ms a chat",
            {each: _points(figures, Figures.cpu_ms) for each, figures in found.items()},
            logarithmic=True,
        ),
    }
    files = []
    for kind, plot in plots.items():
        file = folder / f"{name}-{kind}.png"
        draw(plot, file)
        files.append(file)
    return files


def _points(figures: Figures, value: Callable[[Figures, float], float | None]) -> Points:
    found = ((rate, value(figures, rate)) for rate in figures.rates())
    return [(rate, shown) for rate, shown in found if shown is not None and shown >= _LEAST]
