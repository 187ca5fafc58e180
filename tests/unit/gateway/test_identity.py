"""Ids, secrets and amounts."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.gateway import identity
from services.gateway.domain import yuan
from services.runtime.logs import redact


def test_keys_are_recognised_unique_and_never_logged() -> None:
    keys = {identity.new_api_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert identity.is_api_key(key)
        assert key not in redact(f"using {key}")
        assert len(identity.shown_prefix(key)) == 10


@given(token=st.text())
def test_anything_has_a_digest(token: str) -> None:
    assert len(identity.digest(token)) == 32


def test_request_ids_fit_the_ledger() -> None:
    assert len(identity.new_request_id()) == 36


@given(micros=st.integers(-(2**63), 2**63 - 1))
def test_yuan_is_exact(micros: int) -> None:
    text = yuan(micros)
    assert Decimal(text) * 1_000_000 == micros
    assert len(text.rsplit(".", 1)[1]) in range(2, 7)


def test_yuan_reads_as_money() -> None:
    assert [yuan(micros) for micros in (0, 1, 9_980_000, 1_500_000, -20_000)] == [
        "0.00", "0.000001", "9.98", "1.50", "-0.02",
    ]  # fmt: skip
