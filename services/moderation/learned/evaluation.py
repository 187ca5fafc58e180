"""What weights are worth: how many innocent texts they flag, and how many harmful ones they find. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from services.moderation.learned.model import Screener
from services.moderation.learned.samples import Sample

THRESHOLDS = (0.8, 0.83, 0.9, 0.95)
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`; its text has the 95 % interval (Wilson, 1927)."""

    hits: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """From where to where the true share is, 95 times of 100."""
        if not self.of:
            return 0.0, 1.0
        share, n = self.hits / self.of, self.of
        middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def without_size(self) -> str:
        """The share and its interval."""
        low, high = self.interval
        return f"{self.hits / (self.of or 1):.1%} ({low:.1%} to {high:.1%})"

    def __str__(self) -> str:
        return f"{self.without_size} of {self.of:,}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Threshold → what share of each label's texts has a score of any label above it; label 0 is innocent."""

    flagged: Mapping[float, Mapping[int, Share]]


def measured(screener: Screener, samples: Sequence[Sample]) -> Figures:
    """Score every sample."""
    highest: dict[int, list[float]] = {}
    for sample in samples:
        best = max((score.probability for score in screener.scores(sample.text)), default=0.0)
        highest.setdefault(sample.label, []).append(best)
    return Figures(
        {
            threshold: {
                label: Share(sum(score >= threshold for score in scores), len(scores))
                for label, scores in sorted(highest.items())
            }
            for threshold in THRESHOLDS
        }
    )


def render(figures: Mapping[str, Figures]) -> str:
    """A table of it: a block for each threshold, a line for each label, a column for each name."""
    lines = []
    for threshold in THRESHOLDS:
        columns = [_with_all_that_is_harmful(each.flagged[threshold]) for each in figures.values()]
        lines.append(f"{f'flagged at {threshold:g}':20}" + "".join(f"{name:26}" for name in figures).rstrip())
        for label in columns[0]:
            shares = "".join(f"{column[label].without_size:26}" for column in columns).rstrip()
            lines.append(f"  {label:9} {columns[0][label].of:5,}   {shares}")
    return "\n".join(lines)


def _with_all_that_is_harmful(shares: Mapping[int, Share]) -> dict[str, Share]:
    harmful = [share for label, share in shares.items() if label]
    every = Share(sum(share.hits for share in harmful), sum(share.of for share in harmful))
    return {**{str(label or "innocent"): share for label, share in shares.items()}, "harmful": every}
