import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import percentile, poisson_arrivals, spread, spread_of_counts, uniform_arrivals

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def test_percentiles_are_nearest_ranks() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, percent) for percent in (0, 5, 30, 40, 50, 99, 100)] == [15, 15, 20, 20, 35, 50, 50]


@given(st.lists(FLOATS, min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-9


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 101)])
def test_no_percentile_without_values_or_outside_the_range(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, percent)


def test_a_spread_without_values_is_none() -> None:
    assert spread([]) is None
    assert spread([1.234, 5.0]) == {"p50": 1.23, "p90": 5.0, "p99": 5.0, "max": 5.0}


@given(st.floats(0.5, 500), st.floats(0.1, 10), st.integers(0, 1000))
def test_poisson_arrivals_are_in_order_within_the_time_and_repeatable(rate: float, duration: float, seed: int) -> None:
    arrivals = poisson_arrivals(rate, duration, seed)
    assert arrivals == sorted(arrivals)
    assert all(0 < at < duration for at in arrivals)
    assert poisson_arrivals(rate, duration, seed) == arrivals


def test_poisson_arrivals_have_the_rate_and_the_spread_of_independent_users() -> None:
    arrivals = poisson_arrivals(100, 200, 7)
    assert len(arrivals) == pytest.approx(20_000, rel=0.03)
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


def test_uniform_arrivals_keep_their_distance() -> None:
    assert uniform_arrivals(4, 1) == [0, 0.25, 0.5, 0.75]


def test_counted_values_have_the_percentiles_of_the_values() -> None:
    values = [1.0, 1.0, 2.0, 5.0, 5.0, 5.0, 9.0]
    assert spread_of_counts(Counter(values)) == spread(values)
    assert spread_of_counts({}) is None
