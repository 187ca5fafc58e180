"""`queqiao turns reverse`, `queqiao receipt`, `queqiao usage`."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import billing_pb2

from services.billing.commands.texts import CHINA
from services.runtime.errors import Code, RemoteError
from tests.fakes.books import FakeBooks
from tests.unit.billing.commands.conftest import Queqiao, Ran

# 1,000 tokens in and 500 out at $0.15 and $0.60, ¥7.10 a dollar and 20 %: 3,195 µ¥ × 1.2.
PRICE = billing_pb2.ModelPrice(
    model="gpt-4o-mini",
    input_usd_micros_per_million=150_000,
    cached_input_usd_micros_per_million=75_000,
    output_usd_micros_per_million=600_000,
    markup_basis_points=2_000,
    cny_micros_per_usd=7_100_000,
)


def at(moment: datetime) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(moment)
    return time


def shown(printed: str) -> dict[str, str]:
    """Names and values of aligned lines."""
    return {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in printed.splitlines()}


async def test_a_turn_is_given_back_and_the_wallet_shown(books: FakeBooks, queqiao: Queqiao) -> None:
    wallet = billing_pb2.Wallet(user_id="u", balance_micros=1_000_000, available_micros=1_000_000)
    books.answers["ReverseTurn"] = billing_pb2.ReverseTurnResponse(returned_micros=3_195, wallet=wallet)
    ran = await queqiao("turns", "reverse", "--user", "u", "--request-id", "r")
    said = "Gave back ¥0.003195.\nu: balance ¥1.00, reserved ¥0.00, available ¥1.00\n"
    assert ran == Ran(0, said, "")
    assert books.asked == [billing_pb2.ReverseTurnRequest(user_id="u", request_id="r")]


async def test_a_turn_that_was_not_charged_is_refused_in_a_sentence(books: FakeBooks, queqiao: Queqiao) -> None:
    books.trouble = RemoteError(Code.FAILED_PRECONDITION, "RESERVATION_CLOSED", "The turn was not charged.")
    ran = await queqiao("turns", "reverse", "--user", "u", "--request-id", "r")
    assert ran == Ran(1, "", "The turn was not charged.")


async def test_a_receipt_explains_the_whole_charge(books: FakeBooks, queqiao: Queqiao) -> None:
    receipt = billing_pb2.Receipt(
        request_id="r",
        model="通义千问",
        state=billing_pb2.RECEIPT_STATE_SETTLED,
        outcome=billing_pb2.TURN_OUTCOME_CANCELLED,
        source=billing_pb2.ANSWER_SOURCE_MODEL,
        usage=billing_pb2.Usage(input_tokens=1_000, cached_input_tokens=0, output_tokens=500),
        price=PRICE,
        reserved_micros=21_726,
        charged_micros=3_834,
        create_time=at(datetime(2026, 10, 31, 16, 0, 1, tzinfo=UTC)),
        close_time=at(datetime(2026, 10, 31, 16, 0, 2, tzinfo=UTC)),
    )
    books.answers["GetReceipt"] = billing_pb2.GetReceiptResponse(receipt=receipt)
    ran = await queqiao("receipt", "--user", "u", "--request-id", "r")
    assert (ran.status, ran.complaint) == (0, "")
    assert shown(ran.printed) == {
        "turn": "r",
        "model": "通义千问",
        "state": "settled",
        "outcome": "cancelled",
        "answered by": "model",
        "began": "2026-11-01T00:00:01+08:00",
        "closed": "2026-11-01T00:00:02+08:00",
        "input tokens": "1000, of them cached 0",
        "output tokens": "500",
        "input price": "$0.15 a million tokens",
        "cached price": "$0.075 a million tokens",
        "output price": "$0.60 a million tokens",
        "exchange rate": "¥7.10 a dollar",
        "markup": "20%",
        "set aside": "¥0.021726",
        "charged": "¥0.003834",
    }


async def test_a_running_turn_has_no_usage_and_no_end(books: FakeBooks, queqiao: Queqiao) -> None:
    receipt = billing_pb2.Receipt(request_id="r", model="m", state=billing_pb2.RECEIPT_STATE_RESERVED, price=PRICE)
    books.answers["GetReceipt"] = billing_pb2.GetReceiptResponse(receipt=receipt)
    lines = shown((await queqiao("receipt", "--user", "u", "--request-id", "r")).printed)
    assert (lines["state"], lines["outcome"], lines["closed"]) == ("reserved", "-", "-")
    assert "output tokens" not in lines


async def test_usage_is_added_up_under_its_days(books: FakeBooks, queqiao: Queqiao) -> None:
    line = {"turns": 2, "input_tokens": 30, "cached_input_tokens": 10, "output_tokens": 5, "charged_micros": 28}
    books.answers["GetUsage"] = billing_pb2.GetUsageResponse(
        lines=[
            billing_pb2.UsageLine(day="2026-11-02", model="gpt-4o", **line),
            billing_pb2.UsageLine(day="2026-11-01", model="通义千问", **line),
        ]
    )
    ran = await queqiao("usage", "--user", "u")
    assert [row.split() for row in ran.printed.splitlines()[1:]] == [
        ["2026-11-02", "gpt-4o", "2", "30", "10", "5", "¥0.000028"],
        ["2026-11-01", "通义千问", "2", "30", "10", "5", "¥0.000028"],
        ["total", "4", "60", "20", "10", "¥0.000056"],
    ]


async def test_usage_of_nothing_says_so(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["GetUsage"] = billing_pb2.GetUsageResponse()
    assert "u: nothing was charged since" in (await queqiao("usage", "--user", "u")).printed


@pytest.mark.parametrize("days", [1, 366])
async def test_days_are_whole_days_of_china_and_today_is_the_last(
    books: FakeBooks, queqiao: Queqiao, days: int
) -> None:
    books.answers["GetUsage"] = billing_pb2.GetUsageResponse()
    before = datetime.now(CHINA)
    await queqiao("usage", "--user", "u", "--days", str(days))
    (asked,) = books.asked
    assert isinstance(asked, billing_pb2.GetUsageRequest)
    start, end = asked.start_time.ToDatetime(CHINA), asked.end_time.ToDatetime(CHINA)
    assert (start.hour, start.minute, start.second, start.microsecond) == (0, 0, 0, 0)
    assert before <= end <= datetime.now(CHINA)
    assert (end.date() - start.date()).days == days - 1


@pytest.mark.parametrize("days", ["0", "367", "-1", "week"])
async def test_days_that_the_service_would_refuse_are_not_asked_for(
    books: FakeBooks, queqiao: Queqiao, days: str
) -> None:
    ran = await queqiao("usage", "--user", "u", "--days", days)
    assert (ran.status, books.asked) == (2, [])
    assert "--days" in ran.complaint
