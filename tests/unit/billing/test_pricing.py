"""What tokens cost: exact, rounded once, and never more than the worst case."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.pricing import Price, Usage

GPT_4O_MINI = Price(150_000, 75_000, 600_000, 0, 7_100_000)

tokens = st.integers(0, 10_000_000)
prices = st.builds(
    Price,
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 50_000),
    st.integers(1, 100_000_000),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    input_tokens = draw(tokens)
    return Usage(input_tokens, draw(tokens), draw(st.integers(0, input_tokens)))


def exact(price: Price, usage: Usage) -> Fraction:
    """The documented formula, in fractions."""
    dollars = (
        (usage.input - usage.cached_input) * Fraction(price.input_usd_micros, 10**6)
        + usage.cached_input * Fraction(price.cached_input_usd_micros, 10**6)
        + usage.output * Fraction(price.output_usd_micros, 10**6)
    )
    return dollars * Fraction(price.cny_micros_per_usd, 10**6) * (1 + Fraction(price.markup_basis_points, 10_000))


@pytest.mark.parametrize(
    ("price", "usage", "micros"),
    [
        (GPT_4O_MINI, Usage(1_000, 500), 3_195),  # the example of pricing.py
        (GPT_4O_MINI, Usage(1_000, 500, cached_input=1_000), 2_663),  # 2,662.5: a half goes up
        (GPT_4O_MINI, Usage(0, 0), 0),
        (GPT_4O_MINI, Usage(1, 0), 1),  # 1.065
        (GPT_4O_MINI, Usage(10_000_000, 10_000_000), 53_250_000),
        (Price(150_000, 75_000, 600_000, 2_500, 7_100_000), Usage(1_000, 500), 3_994),  # a markup of 25 %: 3,993.75
        (Price(20_000, 20_000, 40_000, 0, 7_100_000), Usage(80, 20), 17),  # the local model: 17.04
    ],
)
def test_prices_that_were_worked_out_by_hand(price: Price, usage: Usage, micros: int) -> None:
    assert price.cost(usage) == micros


def test_the_markup_is_part_of_the_one_fraction() -> None:
    # 1.065 × 1.4 = 1.491, which is 1; rounding before the markup would be 1 × 1.4 as well, but 3 tokens tell: 4.473.
    dearer = Price(150_000, 75_000, 600_000, 4_000, 7_100_000)
    assert [dearer.cost(Usage(n, 0)) for n in (1, 3, 1_000)] == [1, 4, 1_491]


@given(prices, usages())
def test_a_cost_is_the_exact_fraction_rounded_once(price: Price, usage: Usage) -> None:
    error = price.cost(usage) - exact(price, usage)
    assert -Fraction(1, 2) < error <= Fraction(1, 2)


@given(prices, usages(), st.integers(0, 1000), st.integers(0, 1000))
def test_no_usage_within_the_reservation_costs_more_than_the_worst_case(
    price: Price, usage: Usage, less_in: int, less_out: int
) -> None:
    assert price.cost(usage) <= price.worst_case(usage.input + less_in, usage.output + less_out)


@given(prices, usages(), st.integers(0, 1000), st.integers(0, 1000))
def test_more_tokens_never_cost_less(price: Price, usage: Usage, more_in: int, more_out: int) -> None:
    more = Usage(usage.input + more_in, usage.output + more_out, usage.cached_input)
    assert price.cost(usage) <= price.cost(more)
