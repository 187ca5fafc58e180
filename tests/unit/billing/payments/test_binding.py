"""A payment is believed only when channel, currency, amount, payer and transaction agree with the order."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.payments.binding import mismatch
from services.billing.payments.domain import Channel, Order, Payer, Trade, TradeState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WECHAT = frozenset({Channel.JSAPI, Channel.NATIVE})
ORDER = Order(
    out_trade_no="Q1",
    user_id="u",
    request_id="r",
    input_sha256=b"",
    channel=Channel.JSAPI,
    package_id="small",
    tokens=100_000,
    amount_fen=142,
    description="",
    payer=Payer("o"),
    created_at=NOW,
    expires_at=NOW,
)
TRADE = Trade("Q1", TradeState.PAID, 142, "CNY", "T1", "o", NOW, Channel.JSAPI)


@pytest.mark.parametrize(
    ("order", "trade", "problem"),
    [
        ({}, {}, None),
        ({}, {"channel": None}, None),
        ({}, {"channel": Channel.NATIVE}, "other_provider"),
        ({"channel": Channel.VIRTUAL}, {"channel": None}, "other_provider"),
        ({"channel": Channel.VIRTUAL}, {"channel": Channel.VIRTUAL}, "other_provider"),
        ({}, {"currency": "HKD"}, "other_currency"),
        ({}, {"currency": ""}, "other_currency"),
        ({}, {"transaction_id": ""}, "no_transaction"),
        ({}, {"openid": "p"}, "other_payer"),
        ({}, {"openid": ""}, "other_payer"),
        ({"channel": Channel.NATIVE}, {"channel": Channel.NATIVE, "openid": "p"}, None),
        ({"channel": Channel.NATIVE, "payer": Payer()}, {"channel": Channel.NATIVE, "openid": "p"}, None),
    ],
)
def test_everything_must_agree(order: dict[str, Any], trade: dict[str, Any], problem: str | None) -> None:
    assert mismatch(replace(ORDER, **order), WECHAT, replace(TRADE, **trade)) == problem


@given(st.integers(min_value=-(10**9), max_value=10**9), st.integers(min_value=1, max_value=10**9))
def test_only_the_very_amount_pays(said_fen: int, ordered_fen: int) -> None:
    problem = mismatch(replace(ORDER, amount_fen=ordered_fen), WECHAT, replace(TRADE, amount_fen=said_fen))
    assert problem == (None if said_fen == ordered_fen else "other_amount")
