"""Prices: the documented formula, to the micro-yuan."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.pricing import Price, Usage

MINI = Price(150_000, 75_000, 600_000, 0, 7_100_000)


@pytest.mark.parametrize(
    ("price", "usage", "micros"),
    [
        (MINI, Usage(1000, 500), 3195),  # the example of the module
        (MINI, Usage(1000, 500, cached_input=1000), 2663),  # 2662.5 rounds up
        (MINI, Usage(0, 0), 0),
        (Price(150_000, 75_000, 600_000, 2_500, 7_100_000), Usage(1000, 500), 3994),  # 25 % markup: 3993.75
        (Price(20_000, 20_000, 40_000, 0, 7_100_000), Usage(80, 20), 17),  # the local model: 17.04
    ],
)
def test_known_turns_cost_what_the_formula_says(price: Price, usage: Usage, micros: int) -> None:
    assert price.cost(usage) == micros


prices = st.builds(
    Price,
    st.integers(0, 10**8),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
    st.integers(0, 50_000),
    st.integers(1, 2 * 10**7),
)


@given(prices, st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1))
def test_one_exact_fraction_is_rounded_once(price: Price, total: int, output: int, share: float) -> None:
    cached = int(total * share)
    dollars = (
        Fraction(total - cached) * price.input_usd_micros
        + Fraction(cached) * price.cached_input_usd_micros
        + Fraction(output) * price.output_usd_micros
    ) / 10**6
    exact = dollars * Fraction(price.cny_micros_per_usd, 10**6) * Fraction(10_000 + price.markup_basis_points, 10_000)
    assert abs(price.cost(Usage(total, output, cached)) - exact) <= Fraction(1, 2)


@given(prices, st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_no_turn_costs_more_than_its_worst_case(
    price: Price, total: int, output: int, less_in: float, less_out: float, share: float
) -> None:
    used = int(total * less_in)
    usage = Usage(used, int(output * less_out), int(used * share))
    assert price.cost(usage) <= price.worst_case(total, output)
