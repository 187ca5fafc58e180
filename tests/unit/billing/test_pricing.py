"""What tokens cost: exact, rounded once, and never more than the worst case."""

import doctest
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing import pricing
from services.billing.pricing import Price, Usage, package_fen

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


def test_a_models_cost_to_us_is_its_price_without_the_markup_and_nothing_for_our_own() -> None:
    dearer = Price(150_000, 75_000, 600_000, 2_500, 7_100_000)
    assert dearer.provider_cost(Usage(1_000, 500)) == 3_195
    assert Price(150_000, 75_000, 600_000, 2_500, 7_100_000, own_model=True).provider_cost(Usage(1_000, 500)) == 0


@given(prices, usages())
def test_no_markup_makes_us_pay_the_provider_more_than_we_are_paid(price: Price, usage: Usage) -> None:
    assert price.provider_cost(usage) <= price.cost(usage)


def worked_out(tokens: int, usd_per_thousand: str, cny_per_usd: str) -> int:
    """Tokens × dollars a thousand × yuan a dollar, in fen."""
    dollars = Decimal(tokens) * Decimal(usd_per_thousand) / 1_000
    return int((dollars * Decimal(cny_per_usd) * 100).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("tokens", "cny_per_usd", "fen"),
    [
        (1_000_000, "7.1", 1_420),
        (1_000_000, "7.25", 1_450),
        (100_000, "7.1", 142),
        (5_000_000, "7.1", 7_100),
        (1_000, "7.1", 1),  # 1.42
        (1_057, "7.1", 2),  # 1.50094
        (1_250, "7.2", 2),  # 1.8
        (12_500, "7.2", 18),
        (10_000, "7.125", 14),  # 14.25
        (10_000, "7.25", 15),  # 14.5: a half goes up
        (10_000, "7.249999", 14),  # 14.499998
    ],
)
def test_packages_cost_what_was_worked_out_by_hand(tokens: int, cny_per_usd: str, fen: int) -> None:
    assert worked_out(tokens, "0.002", cny_per_usd) == fen
    assert package_fen(tokens, 2_000_000, int(Decimal(cny_per_usd) * 10**6)) == fen


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(1, 10**8))
def test_a_package_costs_the_rule_rounded_once_and_never_nothing(
    tokens: int, usd_micros_per_million: int, cny_micros_per_usd: int
) -> None:
    # Micro-dollars a million are nano-dollars a thousand.
    usd_per_thousand = Decimal(usd_micros_per_million).scaleb(-9)
    exact = worked_out(tokens, str(usd_per_thousand), str(Decimal(cny_micros_per_usd).scaleb(-6)))
    assert package_fen(tokens, usd_micros_per_million, cny_micros_per_usd) == max(1, exact)


@given(st.integers(1, 10**8), st.integers(0, 10**6), st.integers(5_000_000, 9_000_000))
def test_more_tokens_never_cost_fewer_fen(tokens: int, more: int, cny_micros_per_usd: int) -> None:
    assert package_fen(tokens, 2_000_000, cny_micros_per_usd) <= package_fen(
        tokens + more, 2_000_000, cny_micros_per_usd
    )


def test_the_documented_package_is_true() -> None:
    outcome = doctest.testmod(pricing)
    assert (outcome.failed, outcome.attempted > 0) == (0, True)
