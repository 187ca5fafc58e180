"""What counts as an exchange rate."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.rates import RateError, cny_micros_per_usd


@pytest.mark.parametrize(
    ("body", "micros"),
    [
        (b'{"base":"USD","rates":{"CNY":7.1}}', 7_100_000),
        (b'{"base_code":"USD","rates":{"CNY":7.1234567,"EUR":0.9}}', 7_123_457),
        (b'{"base":"USD","rates":{"CNY":7}}', 7_000_000),
        (b'{"amount":1.0,"base":"USD","date":"2026-11-20","rates":{"CNY":7.0000005}}', 7_000_001),
    ],
)
def test_the_shape_that_rate_services_share_is_read_exactly(body: bytes, micros: int) -> None:
    assert cny_micros_per_usd(body) == micros


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"base":"EUR","rates":{"CNY":7.8}}',
        b'{"rates":{"CNY":7.1}}',
        b'{"base":"USD","rates":{}}',
        b'{"base":"USD","rates":[7.1]}',
        b'{"base":"USD","rates":{"CNY":"7.1"}}',
        b'{"base":"USD","rates":{"CNY":true}}',
        b'{"base":"USD","rates":{"CNY":-7.1}}',
        b'{"base":"USD","rates":{"CNY":0.14}}',
        b'{"base":"USD","rates":{"CNY":710}}',
        b'{"base":"USD","rates":{"CNY":NaN}}',
        b'{"base":"USD","rates":{"CNY":Infinity}}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(RateError):
        cny_micros_per_usd(body)


@given(st.decimals(1, 100, places=6))
def test_six_decimal_places_are_exact(rate: Decimal) -> None:
    body = json.dumps({"base": "USD", "rates": {"CNY": 0}}).replace("0}", f"{rate:f}}}")
    assert cny_micros_per_usd(body.encode()) == int(rate * 1_000_000)
