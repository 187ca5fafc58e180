"""Amounts as people read them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.wallet.money import yuan, yuan_of_fen


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
