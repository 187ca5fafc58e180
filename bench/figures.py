"""Arrival schedules and percentiles: the arithmetic of a measurement."""

import bisect
import itertools
import math
import random
from collections.abc import Mapping, Sequence


def poisson_arrivals(rate_per_s: float, duration_s: float, seed: int) -> list[float]:
    """When requests arrive, in seconds from the start, as independent users send them."""
    source = random.Random(seed)
    arrivals = []
    at = source.expovariate(rate_per_s)
    while at < duration_s:
        arrivals.append(at)
        at += source.expovariate(rate_per_s)
    return arrivals


def uniform_arrivals(rate_per_s: float, duration_s: float) -> list[float]:
    """When requests arrive, in seconds from the start, at even distances."""
    return [index / rate_per_s for index in range(math.ceil(rate_per_s * duration_s))]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` per cent of them do not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or `percent` is outside 0 to 100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(values)} values")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """The percentiles that the reports show, rounded to a hundredth; None without values."""
    if not values:
        return None
    return {
        "p50": round(percentile(values, 50), 2),
        "p90": round(percentile(values, 90), 2),
        "p99": round(percentile(values, 99), 2),
        "max": round(max(values), 2),
    }


def spread_of_counts(counts: Mapping[float, int]) -> dict[str, float] | None:
    """The same percentiles of values that are counted: how often each came."""
    if not counts:
        return None
    ordered = sorted(counts.items())
    ends = list(itertools.accumulate(count for _, count in ordered))

    def value(percent: float) -> float:
        return ordered[bisect.bisect_left(ends, max(math.ceil(percent / 100 * ends[-1]), 1))][0]

    return {"p50": value(50), "p90": value(90), "p99": value(99), "max": ordered[-1][0]}
