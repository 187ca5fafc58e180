"""The books on the wire: nothing is lost on the way out, and what does not fit is refused by name on the way in."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import billing_pb2, books_pb2

from services.billing.books import convert
from services.billing.books.domain import Check, Costs, Finding, Transaction, UsageLine, Verification
from services.billing.domain import Kind, Reservation, Source, State
from services.billing.pricing import Price, Usage
from services.runtime.errors import InvalidRequestError

NOW = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)
PRICE = Price(150_000, 75_000, 600_000, 2_000, 7_100_000)
TURN = Reservation(
    user_id="u",
    request_id="t",
    input_sha256=b"",
    model="gpt-4o-mini",
    input_tokens=1_000,
    max_output_tokens=500,
    amount=3_834,
    price=PRICE,
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    state=State.SETTLED,
    usage=Usage(1_000, 100, 400),
    outcome="cancelled",
    source=Source.MODEL,
    charged=1_534,
    provider_cost=1_278,
    closed_at=NOW + timedelta(seconds=9),
)


def stamp(moment: datetime) -> Timestamp:
    return convert.timestamp(moment)


def refused(work: object) -> set[str]:
    assert callable(work)
    with pytest.raises(InvalidRequestError) as caught:
        work()
    assert str(caught.value).endswith(".")
    return set(caught.value.fields)


def test_a_receipt_says_everything() -> None:
    told = convert.receipt(TURN)
    assert told.price == billing_pb2.ModelPrice(
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
    assert told.usage == billing_pb2.Usage(input_tokens=1_000, cached_input_tokens=400, output_tokens=100)
    assert (told.reserved_micros, told.charged_micros) == (3_834, 1_534)
    assert (told.state, told.outcome) == (billing_pb2.RECEIPT_STATE_SETTLED, billing_pb2.TURN_OUTCOME_CANCELLED)
    assert told.create_time.ToDatetime(UTC) == NOW
    assert told.close_time.ToDatetime(UTC) == TURN.closed_at


def test_a_receipt_of_a_running_turn_says_neither_usage_nor_end() -> None:
    told = convert.receipt(
        replace(TURN, state=State.RESERVED, usage=None, outcome=None, source=None, charged=None, closed_at=None)
    )
    assert not told.HasField("usage")
    assert not told.HasField("close_time")
    assert told.charged_micros == 0


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_name_on_the_wire(state: State) -> None:
    name = billing_pb2.ReceiptState.Name(convert.receipt(replace(TURN, state=state)).state)
    assert name == f"RECEIPT_STATE_{state.name}"


@pytest.mark.parametrize("source", Source)
def test_every_source_has_a_name_on_the_wire(source: Source) -> None:
    name = billing_pb2.AnswerSource.Name(convert.receipt(replace(TURN, source=source)).source)
    assert name == f"ANSWER_SOURCE_{source.name}"


# What a turn cost us moves no wallet.
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.COST])
def test_every_kind_has_a_name_on_the_wire(kind: Kind) -> None:
    told = convert.transaction(Transaction(7, kind, -5, 95, "r", NOW))
    assert billing_pb2.TransactionKind.Name(told.kind) == f"TRANSACTION_KIND_{kind.name}"
    assert (told.id, told.amount_micros, told.balance_after_micros, told.request_id) == (7, -5, 95, "r")
    assert not told.HasField("receipt")


def test_a_transaction_of_a_turn_carries_its_receipt() -> None:
    told = convert.transaction(Transaction(7, Kind.TURN, -1_534, 0, "t", NOW, TURN))
    assert told.receipt == convert.receipt(TURN)


def test_usage_costs_and_findings_are_told_whole() -> None:
    line = convert.usage_line(UsageLine(date(2026, 11, 20), "m", 3, 30, 20, 10, 9))
    assert line == billing_pb2.UsageLine(
        day="2026-11-20",
        model="m",
        turns=3,
        input_tokens=30,
        cached_input_tokens=20,
        output_tokens=10,
        charged_micros=9,
    )
    costs = convert.costs(Costs(10_000, 4_000, 1_000, 1_800_000, 2_400_000))
    assert costs.cost_per_thousand_micros == 180_000
    found = convert.verification(
        Verification(
            2, 1, {"wallets": 5, "revenue": -5}, ((1, 2, bytes(32)),), (Finding(Check.CHAIN, "chain 1", "x."),)
        )
    )
    assert not found.ok
    assert [(one.account, one.balance_micros) for one in found.balances] == [("revenue", -5), ("wallets", 5)]
    assert found.heads == [books_pb2.ChainHead(chain_id=1, length=2, sha256="00" * 32)]
    assert found.findings == [books_pb2.Finding(check="chain", subject="chain 1", message="x.")]


def test_a_page_has_fifty_lines_unless_asked_otherwise() -> None:
    assert convert.page(billing_pb2.ListTransactionsRequest(user_id="u")) == ("u", None, None, None, 50)
    whole = billing_pb2.ListTransactionsRequest(
        user_id="u", page_size=1_000, page_token="42", start_time=stamp(NOW), end_time=stamp(NOW)
    )
    assert convert.page(whole) == ("u", 42, NOW, NOW, 1_000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "u" * 65),
        ("user_id", "'; DROP TABLE transfers"),
        ("page_size", -1),
        ("page_size", 1_001),
        ("page_token", "0"),
        ("page_token", "-1"),
        ("page_token", "1" * 19),
        ("page_token", "seven"),
        ("page_token", "7\n"),
        ("page_token", "７"),
        ("start_time", Timestamp(seconds=10**12)),
        ("end_time", Timestamp(seconds=-(10**12))),
    ],
)
def test_a_page_that_is_asked_for_wrongly_is_refused_by_field(field: str, value: object) -> None:
    request = billing_pb2.ListTransactionsRequest(**{"user_id": "u", field: value})  # type: ignore[arg-type]  # any field
    assert refused(lambda: convert.page(request)) == {field}


def test_spans_must_be_whole_forward_and_at_most_a_year() -> None:
    year = timedelta(days=366)
    request = billing_pb2.GetUsageRequest(user_id="u", start_time=stamp(NOW), end_time=stamp(NOW + year))
    assert convert.usage_span(request) == ("u", NOW, NOW + year)
    request.end_time.FromDatetime(NOW + year + timedelta(microseconds=1))
    assert refused(lambda: convert.usage_span(request)) == {"end_time"}
    request.end_time.CopyFrom(request.start_time)
    assert refused(lambda: convert.usage_span(request)) == {"end_time"}
    assert refused(lambda: convert.costs_span(books_pb2.GetCostsRequest())) == {"start_time", "end_time"}
    assert refused(lambda: convert.usage_span(billing_pb2.GetUsageRequest())) == {"user_id", "start_time", "end_time"}
    late = books_pb2.GetCostsRequest(start_time=stamp(datetime(9999, 12, 31, tzinfo=UTC)), end_time=stamp(NOW))
    assert refused(lambda: convert.costs_span(late)) == {"end_time"}


def test_a_receipt_is_asked_for_by_two_ids() -> None:
    assert convert.receipt_key(billing_pb2.GetReceiptRequest(user_id="u", request_id="r")) == ("u", "r")
    assert refused(lambda: convert.receipt_key(billing_pb2.GetReceiptRequest())) == {"user_id", "request_id"}


def test_a_price_holds_from_now_unless_said_otherwise() -> None:
    request = books_pb2.SetPriceRequest(
        model="gpt-4o-mini",
        input_usd_micros_per_million=150_000,
        cached_input_usd_micros_per_million=75_000,
        output_usd_micros_per_million=600_000,
        markup_basis_points=2_000,
        source="价目表",
    )
    listed, source = convert.new_price(request, NOW)
    assert (listed.model, source, listed.effective_at) == ("gpt-4o-mini", "价目表", NOW)
    assert listed.price == replace(PRICE, cny_micros_per_usd=0)
    request.effective_time.FromDatetime(NOW + timedelta(days=1))
    assert convert.new_price(request, NOW)[0].effective_at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""),
        ("model", "m" * 201),
        ("model", "m\n"),
        ("source", ""),
        ("input_usd_micros_per_million", -1),
        ("cached_input_usd_micros_per_million", -1),
        ("output_usd_micros_per_million", 10_000_000_001),
        ("markup_basis_points", -1),
        ("markup_basis_points", 1_000_001),
        ("effective_time", Timestamp(seconds=1)),
        ("effective_time", Timestamp(seconds=10**12)),
    ],
)
def test_a_price_that_cannot_be_is_refused_by_field(field: str, value: object) -> None:
    request = books_pb2.SetPriceRequest(**{"model": "m", "source": "s", field: value})  # type: ignore[arg-type]  # any field
    assert refused(lambda: convert.new_price(request, NOW)) == {field}


@pytest.mark.parametrize("rate", [0, 999_999, 100_000_001, -7_100_000])
def test_a_rate_that_cannot_be_is_refused(rate: int) -> None:
    request = books_pb2.SetExchangeRateRequest(cny_micros_per_usd=rate, source="s")
    assert refused(lambda: convert.new_rate(request)) == {"cny_micros_per_usd"}
