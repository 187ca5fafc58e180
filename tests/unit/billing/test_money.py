"""Money: exact, and rounded once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.money import micros_from_yuan, round_half_up, yuan_from_micros


@given(st.integers(0, 10**30), st.integers(1, 10**20))
def test_rounding_is_to_the_nearest_and_a_half_goes_up(numerator: int, denominator: int) -> None:
    rounded = round_half_up(numerator, denominator)
    error = Fraction(rounded) - Fraction(numerator, denominator)
    assert Fraction(-1, 2) < error <= Fraction(1, 2)


def test_negative_money_is_never_rounded() -> None:
    with pytest.raises(ValueError, match="not negative"):
        round_half_up(-1, 2)


@given(st.integers(-(10**15), 10**15))
def test_yuan_and_micros_are_the_same_amount(micros: int) -> None:
    assert micros_from_yuan(yuan_from_micros(micros)) == micros


@pytest.mark.parametrize("text", ["", "ten", "1.0000001", "1,5", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"yuan|decimal"):
        micros_from_yuan(text)
