"""Amounts as people read them, and what a million tokens cost."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.money import round_half_up, yuan, yuan_of_fen
from services.gateway.wallets import ModelPrice


def price(**terms: int) -> ModelPrice:
    given: dict[str, int] = {
        "input_usd_micros_per_million": 150_000,
        "cached_input_usd_micros_per_million": 75_000,
        "output_usd_micros_per_million": 600_000,
        "markup_basis_points": 0,
        "cny_micros_per_usd": 7_100_000,
    }
    return ModelPrice(model="m", **(given | terms))


@given(micros=st.integers(-(2**63), 2**63 - 1))
def test_yuan_is_exact(micros: int) -> None:
    text = yuan(micros)
    assert Decimal(text) * 1_000_000 == micros
    assert len(text.rsplit(".", 1)[1]) in range(2, 7)


def test_yuan_reads_as_money() -> None:
    assert [yuan(micros) for micros in (0, 1, 9_980_000, 1_500_000, -20_000)] == [
        "0.00", "0.000001", "9.98", "1.50", "-0.02",
    ]  # fmt: skip
    assert [yuan_of_fen(fen) for fen in (0, 1, 1420)] == ["0.00", "0.01", "14.20"]


@given(numerator=st.integers(0, 2**80), denominator=st.integers(1, 2**40))
def test_a_half_goes_up(numerator: int, denominator: int) -> None:
    rounded = round_half_up(numerator, denominator)
    assert -Fraction(1, 2) < rounded - Fraction(numerator, denominator) <= Fraction(1, 2)


def test_a_million_tokens_at_a_price() -> None:
    # $0.15 × ¥7.10 is ¥1.065, and with 20 % more ¥1.278.
    assert price().micros_per_million(150_000) == 1_065_000
    assert price(markup_basis_points=2_000).micros_per_million(150_000) == 1_278_000


def test_a_million_tokens_round_half_up_once() -> None:
    # 1 µ$ × ¥7.25 × 1.0001 = 7.250725 µ¥; × ¥7.50 = 7.5 µ¥.
    assert price(cny_micros_per_usd=7_250_000, markup_basis_points=1).micros_per_million(1) == 7
    assert price(cny_micros_per_usd=7_500_000).micros_per_million(1) == 8


@given(usd=st.integers(0, 10**10), rate=st.integers(10**6, 10**8), markup=st.integers(0, 10**6))
def test_a_million_tokens_are_exact(usd: int, rate: int, markup: int) -> None:
    exact = Decimal(usd) * rate * (10_000 + markup) / Decimal(10**10)
    found = price(cny_micros_per_usd=rate, markup_basis_points=markup).micros_per_million(usd)
    assert found == int(exact.to_integral_value(ROUND_HALF_UP))
