"""One rounding rule, and amounts that people write."""

import doctest
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing import money
from services.billing.money import micros_from_yuan, round_half_up, yuan_from_micros


def test_the_documented_examples_are_true() -> None:
    outcome = doctest.testmod(money)
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


@given(st.integers(0, 10**30), st.integers(1, 10**16))
def test_rounding_is_exact_half_up_at_any_size(numerator: int, denominator: int) -> None:
    # The nearest integer, by its definition: half a unit below is still far, half a unit above is not.
    assert -denominator <= 2 * (numerator - round_half_up(numerator, denominator) * denominator) < denominator


@given(st.integers(0, 10**12))
def test_rounding_agrees_with_decimal(numerator: int) -> None:
    assert round_half_up(numerator, 1000) == int((Decimal(numerator) / 1000).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 2), (1, 0), (1, -2)])
def test_what_is_no_price_is_not_rounded(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        round_half_up(numerator, denominator)


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_an_amount_survives_being_written_and_read(micros: int) -> None:
    assert micros_from_yuan(yuan_from_micros(micros)) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ten",
        ".",
        "1.",
        ".5",
        "-",
        "--1",
        "+1",
        "1e3",
        "NaN",
        "Infinity",
        "0.0000001",
        "1,000",
        " 1",
        "１",
        "9" * 13,
        "¥1",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount of yuan"):
        micros_from_yuan(text)
