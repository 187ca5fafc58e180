"""`queqiao prices list`, `set` and `rate`: figures go to the service exactly as they were typed."""

from datetime import UTC, datetime

import pytest
from queqiao.billing.v1 import billing_pb2, books_pb2

from tests.fakes.books import FakeBooks
from tests.unit.billing.commands.conftest import Queqiao, Ran
from tests.unit.billing.commands.test_turns import PRICE, at

SET = ("prices", "set", "--model", "gpt-4o-mini", "--source", "openai.com, 定价页")
FIGURES = {"--input": "0.15", "--cached-input": "0.075", "--output": "0.60", "--markup": "20%"}


def figures(**changed: str) -> tuple[str, ...]:
    """The figures' options; a keyword is an option of one word."""
    given = FIGURES | {f"--{name}": value for name, value in changed.items()}
    return tuple(part for pair in given.items() for part in pair)


async def test_a_price_is_sent_in_micro_dollars_and_basis_points(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["SetPrice"] = books_pb2.SetPriceResponse()
    ran = await queqiao(*SET, *figures())
    said = (
        "gpt-4o-mini costs $0.15 sent, $0.075 sent and cached, $0.60 received, a million tokens, "
        "with 20% markup, from now on.\n"
    )
    assert ran == Ran(0, said, "")
    assert books.asked == [
        books_pb2.SetPriceRequest(
            model="gpt-4o-mini",
            input_usd_micros_per_million=150_000,
            cached_input_usd_micros_per_million=75_000,
            output_usd_micros_per_million=600_000,
            markup_basis_points=2_000,
            source="openai.com, 定价页",
        )
    ]


@pytest.mark.parametrize(
    "time", ["2026-12-01T00:00:00+08:00", "2026-11-30T16:00:00Z", "2026-12-01T00:00", "2026-12-01"]
)
async def test_a_price_of_later_holds_from_that_moment_in_china(books: FakeBooks, queqiao: Queqiao, time: str) -> None:
    books.answers["SetPrice"] = books_pb2.SetPriceResponse()
    ran = await queqiao(*SET, *figures(), "--own-model", "--from", time)
    assert ran.status == 0, ran.complaint
    (asked,) = books.asked
    assert isinstance(asked, books_pb2.SetPriceRequest)
    assert asked.own_model
    assert asked.effective_time.ToDatetime(UTC) == datetime(2026, 11, 30, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("input", "0.0000001", "is no number such as 7.10 with at most 6 decimal places"),
        ("input", "1e-3", "is no number"),
        ("input", "NaN", "is no number"),
        ("output", "-0.60", "is no number"),
        ("markup", "20%%", "is no number"),
        ("markup", "0.001%", "at most 2 decimal places"),
        ("from", "tomorrow", "is no time, such as 2026-12-01T00:00:00+08:00"),
    ],
)
async def test_a_wrong_figure_is_named_and_not_sent(
    books: FakeBooks, queqiao: Queqiao, option: str, value: str, sentence: str
) -> None:
    ran = await queqiao(*SET, *figures(**{option: value}))
    assert (ran.status, ran.printed, books.asked) == (2, "", [])
    assert f"--{option}" in ran.complaint
    assert sentence in ran.complaint


async def test_an_exchange_rate_is_sent_in_micro_yuan(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["SetExchangeRate"] = books_pb2.SetExchangeRateResponse()
    ran = await queqiao("prices", "rate", "--cny", "7.10", "--source", "中国人民银行")
    assert ran == Ran(0, "A dollar is ¥7.10 from now on.\n", "")
    assert books.asked == [books_pb2.SetExchangeRateRequest(cny_micros_per_usd=7_100_000, source="中国人民银行")]


async def test_prices_are_listed_with_the_exchange_rates_source(books: FakeBooks, queqiao: Queqiao) -> None:
    price = billing_pb2.ModelPrice()
    price.CopyFrom(PRICE)
    price.effective_time.CopyFrom(at(datetime(2026, 10, 31, 16, tzinfo=UTC)))
    books.answers["ListPrices"] = billing_pb2.ListPricesResponse(
        prices=[price],
        exchange_rate_source="中国人民银行",
        exchange_rate_time=at(datetime(2026, 11, 1, 1, tzinfo=UTC)),
    )
    ran = await queqiao("prices", "list")
    assert ran.status == 0
    assert ran.printed.splitlines() == [
        "model        input  cached input  output  markup  a dollar  since",
        "gpt-4o-mini  $0.15        $0.075   $0.60     20%     ¥7.10  2026-11-01T00:00:00+08:00",
        "",
        "Exchange rate: 中国人民银行, since 2026-11-01T09:00:00+08:00.",
    ]
