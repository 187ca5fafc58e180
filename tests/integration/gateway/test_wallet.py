"""Statements, receipts, usage and prices."""

from datetime import UTC, datetime
from typing import Any

import pytest
from queqiao.billing.v1 import billing_pb2

from services.runtime.errors import UnavailableError
from tests.integration.gateway.conftest import Gateway

PRICE = billing_pb2.ModelPrice(
    model="gpt-4o-mini",
    input_usd_micros_per_million=150_000,
    cached_input_usd_micros_per_million=75_000,
    output_usd_micros_per_million=600_000,
    markup_basis_points=2_000,
    cny_micros_per_usd=7_100_000,
    input_micros_per_million=1_278_000,
    cached_input_micros_per_million=639_000,
    output_micros_per_million=5_112_000,
)
TERMS = {
    "model": "gpt-4o-mini",
    "input_usd_micros_per_million": 150_000,
    "cached_input_usd_micros_per_million": 75_000,
    "output_usd_micros_per_million": 600_000,
    "markup_basis_points": 2_000,
    "cny_micros_per_usd": 7_100_000,
}


def receipt() -> billing_pb2.Receipt:
    receipt = billing_pb2.Receipt(
        request_id="req_1",
        model="gpt-4o-mini",
        state=billing_pb2.RECEIPT_STATE_SETTLED,
        outcome=billing_pb2.TURN_OUTCOME_CANCELLED,
        source=billing_pb2.ANSWER_SOURCE_CACHE,
        usage=billing_pb2.Usage(input_tokens=1_000, cached_input_tokens=200, output_tokens=500),
        price=PRICE,
        reserved_micros=20_000,
        charged_micros=3_195,
    )
    receipt.create_time.FromSeconds(1_700_000_000)
    receipt.close_time.FromSeconds(1_700_000_009)
    return receipt


SHOWN = {
    "object": "receipt",
    "request_id": "req_1",
    "model": "gpt-4o-mini",
    "state": "settled",
    "outcome": "cancelled",
    "source": "cache",
    "usage": {"input_tokens": 1_000, "cached_input_tokens": 200, "output_tokens": 500},
    "price": TERMS,
    "reserved_micros": 20_000,
    "charged_micros": 3_195,
    "charged": "0.003195",
    "currency": "CNY",
    "created": 1_700_000_000,
    "closed": 1_700_000_009,
    "explanation": "You stopped the answer or went away: only what had been produced until then (1000 input and 500 "
    "output tokens) was charged, CNY 0.003195.",
}


def transaction(number: int, kind: str, amount_micros: int, **more: Any) -> billing_pb2.Transaction:
    found = billing_pb2.Transaction(
        id=number,
        kind=billing_pb2.TransactionKind.Value(f"TRANSACTION_KIND_{kind}"),
        amount_micros=amount_micros,
        balance_after_micros=1_000_000,
        request_id=f"req_{number}",
        **more,
    )
    found.create_time.FromSeconds(1_700_000_000 + number)
    return found


async def test_a_statement_shows_what_moved_the_balance(gateway: Gateway) -> None:
    gateway.billing.transactions = [
        transaction(7, "TURN", -3_195, receipt=receipt()),
        transaction(3, "TOPUP", 14_200_000),
        transaction(1, "UNSPECIFIED", 1),
    ]
    status, answer = await gateway.get("/v1/wallet/transactions", language="en")
    assert status == 200
    assert (answer["object"], answer["has_more"], answer["next_cursor"]) == ("list", False, None)
    turn, topup, newer = answer["data"]
    assert turn == {
        "id": "7",
        "object": "transaction",
        "kind": "turn",
        "amount_micros": -3_195,
        "amount": "-0.003195",
        "balance_after_micros": 1_000_000,
        "currency": "CNY",
        "request_id": "req_7",
        "created": 1_700_000_007,
        "receipt": SHOWN,
    }
    assert (topup["kind"], topup["amount"], "receipt" in topup) == ("topup", "14.20", False)
    assert newer["kind"] == "other"
    assert gateway.billing.asked[0].user_id == gateway.user_id


async def test_a_statement_is_read_page_by_page(gateway: Gateway) -> None:
    gateway.billing.transactions = [transaction(number, "GRANT", number) for number in range(50, 0, -1)]
    numbers, query = [], "?limit=20"
    while query:
        _, answer = await gateway.get(f"/v1/wallet/transactions{query}")
        numbers += [int(each["id"]) for each in answer["data"]]
        assert answer["has_more"] is (answer["next_cursor"] is not None)
        query = f"?limit=20&after={answer['next_cursor']}" if answer["has_more"] else ""
    assert numbers == list(range(50, 0, -1))


@pytest.mark.parametrize("path", ["/v1/wallet/transactions", "/v1/orders"])
@pytest.mark.parametrize(
    ("query", "param", "words"),
    [
        ("limit=0", "limit", "between 1 and 100"),
        ("limit=101", "limit", "between 1 and 100"),
        ("limit=99999999999999999999", "limit", "between 1 and 100"),
        ("limit=x", "limit", "between 1 and 100"),
        ("after=", "after", "next_cursor"),
        # Only billing knows its cursors.
        ("after=nonsense", "after", "next_cursor"),
        ("after=%00", "after", "next_cursor"),
        ("before=x", "before", "spelling"),
        ("limit=1&limit=2", "limit", "twice"),
    ],
)
async def test_a_bad_page_is_explained(gateway: Gateway, path: str, query: str, param: str, words: str) -> None:
    status, answer = await gateway.get(f"{path}?{query}", language="en")
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "invalid_request_error", param)
    assert words in answer["error"]["message"]


async def test_a_receipt_explains_its_turn_to_its_user(gateway: Gateway) -> None:
    gateway.billing.receipts[gateway.user_id, "req_1"] = receipt()
    assert await gateway.get("/v1/wallet/receipts/req_1", language="en") == (200, SHOWN)
    _, answer = await gateway.get("/v1/wallet/receipts/req_1")
    assert "停止" in answer["explanation"]


async def test_a_running_turn_has_no_usage_yet(gateway: Gateway) -> None:
    gateway.billing.receipts[gateway.user_id, "req_1"] = billing_pb2.Receipt(
        request_id="req_1", state=billing_pb2.RECEIPT_STATE_RESERVED, price=PRICE, reserved_micros=20_000
    )
    _, answer = await gateway.get("/v1/wallet/receipts/req_1")
    assert [answer[name] for name in ("state", "outcome", "source", "usage", "closed")] == ["reserved", *[None] * 4]
    assert "已预留 0.02 元" in answer["explanation"]


async def test_the_receipt_of_nobody_or_of_another_is_not_found(gateway: Gateway) -> None:
    gateway.billing.receipts["usr_other", "req_1"] = receipt()
    status, answer = await gateway.get("/v1/wallet/receipts/req_1")
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert "账单" in answer["error"]["message"]


@pytest.mark.parametrize("request_id", ["a%20b", "x" * 65, "%F0%9F%98%80", "a.b"])
async def test_a_receipt_of_an_impossible_id_is_explained(gateway: Gateway, request_id: str) -> None:
    status, answer = await gateway.get(f"/v1/wallet/receipts/{request_id}")
    assert (status, answer["error"]["param"]) == (400, "request_id")


async def test_usage_is_lines_and_their_sum(gateway: Gateway) -> None:
    gateway.billing.usage = [
        billing_pb2.UsageLine(
            day=day, model="m", turns=2, input_tokens=10, cached_input_tokens=4, output_tokens=5, charged_micros=charged
        )
        for day, charged in (("2026-03-02", 3), ("2026-03-01", 1_500_000))
    ]
    status, answer = await gateway.get("/v1/usage?start=2026-03-01&end=2026-03-02")
    assert status == 200
    assert (answer["object"], answer["start"], answer["end"]) == ("usage", "2026-03-01", "2026-03-02")
    tokens = {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5}
    assert answer["lines"][0] == {
        "day": "2026-03-02", "model": "m", "turns": 2, **tokens, "charged_micros": 3, "charged": "0.000003",
    }  # fmt: skip
    assert answer["totals"] == {
        "turns": 4, "input_tokens": 20, "cached_input_tokens": 8, "output_tokens": 10,
        "charged_micros": 1_500_003, "charged": "1.500003",
    }  # fmt: skip
    asked = gateway.billing.asked[0]
    assert asked.user_id == gateway.user_id
    assert asked.start_time.ToDatetime(UTC) == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert asked.end_time.ToDatetime(UTC) == datetime(2026, 3, 2, 16, tzinfo=UTC)


async def test_usage_without_days_is_of_thirty_and_may_be_none(gateway: Gateway) -> None:
    status, answer = await gateway.get("/v1/usage")
    assert (status, answer["lines"], answer["totals"]["charged"]) == (200, [], "0.00")
    asked = gateway.billing.asked[0]
    assert asked.end_time.seconds - asked.start_time.seconds == 30 * 86_400


@pytest.mark.parametrize(
    ("query", "param", "words"),
    [
        ("start=yesterday", "start", "YYYY-MM-DD"),
        ("end=2026-02-30", "end", "YYYY-MM-DD"),
        ("end=9999-12-31", "end", "YYYY-MM-DD"),
        ("start=2026-03-02&end=2026-03-01", "start", "after the end"),
        ("start=2025-01-01&end=2026-01-02", "start", "366"),
        ("days=7", "days", "spelling"),
    ],
)
async def test_bad_days_are_explained(gateway: Gateway, query: str, param: str, words: str) -> None:
    status, answer = await gateway.get(f"/v1/usage?{query}", language="en")
    assert (status, answer["error"]["param"]) == (400, param)
    assert words in answer["error"]["message"]
    assert gateway.billing.asked == []


async def test_prices_say_what_a_million_tokens_cost_in_yuan(gateway: Gateway) -> None:
    listed = billing_pb2.ListPricesResponse(prices=[PRICE], exchange_rate_source="ecb")
    listed.prices[0].effective_time.FromSeconds(1_600_000_000)
    listed.exchange_rate_time.FromSeconds(1_700_000_000)
    gateway.billing.prices = listed
    assert await gateway.get("/v1/prices") == (
        200,
        {
            "object": "list",
            "data": [
                {
                    "object": "price",
                    **TERMS,
                    "effective": 1_600_000_000,
                    "currency": "CNY",
                    # $0.15, $0.075 and $0.60 × ¥7.10 × 1.2
                    "input_micros_per_million": 1_278_000,
                    "cached_input_micros_per_million": 639_000,
                    "output_micros_per_million": 5_112_000,
                }
            ],
            "exchange_rate": {"source": "ecb", "time": 1_700_000_000},
        },
    )


@pytest.mark.parametrize("path", ["/v1/wallet/transactions", "/v1/wallet/receipts/req_1", "/v1/usage", "/v1/prices"])
async def test_a_ledger_that_is_away_is_a_503(gateway: Gateway, path: str) -> None:
    gateway.billing.trouble = UnavailableError("The ledger does not answer.", retry_after_s=2)
    async with gateway.http.get(f"{gateway.url}{path}", headers=gateway.auth) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert (await answer.json())["error"]["code"] == "service_unavailable"
