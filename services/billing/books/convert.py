"""The books to protos; a request that does not fit is refused here, field by field."""

import re
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import billing_pb2, books_pb2

from services.billing.books.domain import Costs, Transaction, UsageLine, Verification
from services.billing.domain import Kind, Reservation, Source, State
from services.billing.prices import ListedPrice
from services.billing.pricing import Price, Usage
from services.runtime.errors import InvalidRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID_RULE = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
_ENTRY = re.compile(r"[1-9][0-9]{0,17}")
_PAGE_DEFAULT, _PAGE_MAX = 50, 1_000
_MILLION = 1_000_000
_TEXT_MAX = 200
_SPAN_MAX = timedelta(days=366)
_USD_MICROS_MAX = 10_000_000_000
_MARKUP_MAX = 1_000_000
_RATE_MIN, _RATE_MAX = 1_000_000, 100_000_000
# Clocks differ a little.
_PAST = timedelta(minutes=1)

_KINDS = {
    Kind.TRIAL: billing_pb2.TRANSACTION_KIND_TRIAL,
    Kind.GRANT: billing_pb2.TRANSACTION_KIND_GRANT,
    Kind.TURN: billing_pb2.TRANSACTION_KIND_TURN,
    Kind.REVERSAL: billing_pb2.TRANSACTION_KIND_REVERSAL,
    Kind.TOPUP: billing_pb2.TRANSACTION_KIND_TOPUP,
    Kind.REFUND: billing_pb2.TRANSACTION_KIND_REFUND,
}
_STATES = {
    State.RESERVED: billing_pb2.RECEIPT_STATE_RESERVED,
    State.SETTLED: billing_pb2.RECEIPT_STATE_SETTLED,
    State.RELEASED: billing_pb2.RECEIPT_STATE_RELEASED,
    State.EXPIRED: billing_pb2.RECEIPT_STATE_EXPIRED,
    State.REVERSED: billing_pb2.RECEIPT_STATE_REVERSED,
}
_OUTCOMES = {
    "completed": billing_pb2.TURN_OUTCOME_COMPLETED,
    "cancelled": billing_pb2.TURN_OUTCOME_CANCELLED,
    "failed": billing_pb2.TURN_OUTCOME_FAILED,
    "refused": billing_pb2.TURN_OUTCOME_REFUSED,
}
_SOURCES = {Source.MODEL: billing_pb2.ANSWER_SOURCE_MODEL, Source.CACHE: billing_pb2.ANSWER_SOURCE_CACHE}


class _Wrong(dict[str, str]):
    """What is wrong with a request, by field."""

    def check(self, name: str, *, ok: bool, why: str) -> None:
        if not ok:
            self[name] = why

    def demand(self) -> None:
        if self:
            name, why = next(iter(self.items()))
            raise InvalidRequestError(f"{name} {why}.", fields=self)


def page(
    request: billing_pb2.ListTransactionsRequest,
) -> tuple[str, int | None, datetime | None, datetime | None, int]:
    """user_id, before which entry, from when, until when, and how many."""
    wrong, token = _Wrong(), request.page_token
    wrong.check("user_id", ok=bool(_ID.fullmatch(request.user_id)), why=_ID_RULE)
    wrong.check("page_size", ok=0 <= request.page_size <= _PAGE_MAX, why=f"must be 0 to {_PAGE_MAX}")
    wrong.check(
        "page_token",
        ok=not token or bool(_ENTRY.fullmatch(token)),
        why="must be the next_page_token of the page before",
    )
    start = _moment(wrong, "start_time", request.start_time) if request.HasField("start_time") else None
    end = _moment(wrong, "end_time", request.end_time) if request.HasField("end_time") else None
    wrong.demand()
    return request.user_id, int(token) if token else None, start, end, request.page_size or _PAGE_DEFAULT


def receipt_key(request: billing_pb2.GetReceiptRequest) -> tuple[str, str]:
    """user_id and request_id."""
    wrong = _Wrong()
    wrong.check("user_id", ok=bool(_ID.fullmatch(request.user_id)), why=_ID_RULE)
    wrong.check("request_id", ok=bool(_ID.fullmatch(request.request_id)), why=_ID_RULE)
    wrong.demand()
    return request.user_id, request.request_id


def usage_span(request: billing_pb2.GetUsageRequest) -> tuple[str, datetime, datetime]:
    """user_id, from when, until when."""
    wrong = _Wrong()
    wrong.check("user_id", ok=bool(_ID.fullmatch(request.user_id)), why=_ID_RULE)
    start, end = _span(wrong, request)
    wrong.demand()
    return request.user_id, start, end


def costs_span(request: books_pb2.GetCostsRequest) -> tuple[datetime, datetime]:
    """From when until when."""
    wrong = _Wrong()
    start, end = _span(wrong, request)
    wrong.demand()
    return start, end


def new_price(request: books_pb2.SetPriceRequest, now: datetime) -> tuple[ListedPrice, str]:
    """A price and where it comes from."""
    wrong = _Wrong()
    wrong.check("model", ok=_is_text(request.model), why=f"must be 1 to {_TEXT_MAX} printable characters")
    wrong.check("source", ok=_is_text(request.source), why=f"must be 1 to {_TEXT_MAX} printable characters")
    for name in ("input", "cached_input", "output"):
        field = f"{name}_usd_micros_per_million"
        wrong.check(field, ok=0 <= getattr(request, field) <= _USD_MICROS_MAX, why=f"must be 0 to {_USD_MICROS_MAX}")
    wrong.check(
        "markup_basis_points", ok=0 <= request.markup_basis_points <= _MARKUP_MAX, why=f"must be 0 to {_MARKUP_MAX}"
    )
    effective_at = now
    if request.HasField("effective_time"):
        effective_at = _moment(wrong, "effective_time", request.effective_time)
        wrong.check("effective_time", ok=effective_at >= now - _PAST, why="must not be in the past")
    wrong.demand()
    price = Price(
        request.input_usd_micros_per_million,
        request.cached_input_usd_micros_per_million,
        request.output_usd_micros_per_million,
        request.markup_basis_points,
        # The rate is its own book's.
        cny_micros_per_usd=0,
        own_model=request.own_model,
    )
    return ListedPrice(request.model, price, effective_at), request.source


def new_rate(request: books_pb2.SetExchangeRateRequest) -> tuple[int, str]:
    """Micro-yuan for a dollar, and who says so."""
    wrong = _Wrong()
    wrong.check(
        "cny_micros_per_usd",
        ok=_RATE_MIN <= request.cny_micros_per_usd <= _RATE_MAX,
        why=f"must be {_RATE_MIN} to {_RATE_MAX}",
    )
    wrong.check("source", ok=_is_text(request.source), why=f"must be 1 to {_TEXT_MAX} printable characters")
    wrong.demand()
    return request.cny_micros_per_usd, request.source


def transaction(item: Transaction) -> billing_pb2.Transaction:
    """A transaction on the wire."""
    return billing_pb2.Transaction(
        id=item.id,
        kind=_KINDS.get(item.kind, billing_pb2.TRANSACTION_KIND_UNSPECIFIED),
        amount_micros=item.amount,
        balance_after_micros=item.balance_after,
        request_id=item.request_id,
        create_time=timestamp(item.created_at),
        receipt=receipt(item.turn) if item.turn else None,
    )


def receipt(turn: Reservation) -> billing_pb2.Receipt:
    """A receipt on the wire."""
    usage = turn.usage
    return billing_pb2.Receipt(
        request_id=turn.request_id,
        model=turn.model,
        state=_STATES[turn.state],
        outcome=_OUTCOMES.get(turn.outcome or "", billing_pb2.TURN_OUTCOME_UNSPECIFIED),
        source=_SOURCES[turn.source] if turn.source else billing_pb2.ANSWER_SOURCE_UNSPECIFIED,
        usage=billing_pb2.Usage(
            input_tokens=usage.input, cached_input_tokens=usage.cached_input, output_tokens=usage.output
        )
        if usage
        else None,
        price=model_price(turn.model, turn.price),
        reserved_micros=turn.amount,
        charged_micros=turn.charged or 0,
        create_time=timestamp(turn.created_at),
        close_time=timestamp(turn.closed_at) if turn.closed_at else None,
    )


def model_price(model: str, price: Price, effective_at: datetime | None = None) -> billing_pb2.ModelPrice:
    """A price on the wire."""
    return billing_pb2.ModelPrice(
        model=model,
        input_usd_micros_per_million=price.input_usd_micros,
        cached_input_usd_micros_per_million=price.cached_input_usd_micros,
        output_usd_micros_per_million=price.output_usd_micros,
        markup_basis_points=price.markup_basis_points,
        cny_micros_per_usd=price.cny_micros_per_usd,
        input_micros_per_million=price.cost(Usage(_MILLION, 0)),
        cached_input_micros_per_million=price.cost(Usage(_MILLION, 0, _MILLION)),
        output_micros_per_million=price.cost(Usage(0, _MILLION)),
        own_model=price.own_model,
        effective_time=timestamp(effective_at) if effective_at else None,
    )


def usage_line(line: UsageLine) -> billing_pb2.UsageLine:
    """A line of usage on the wire."""
    return billing_pb2.UsageLine(
        day=line.day.isoformat(),
        model=line.model,
        turns=line.turns,
        input_tokens=line.input_tokens,
        cached_input_tokens=line.cached_input_tokens,
        output_tokens=line.output_tokens,
        charged_micros=line.charged,
    )


def costs(found: Costs) -> books_pb2.GetCostsResponse:
    """Costs on the wire."""
    return books_pb2.GetCostsResponse(
        questions=found.questions,
        cached_questions=found.cached_questions,
        own_model_questions=found.own_model_questions,
        provider_cost_micros=found.provider_cost,
        revenue_micros=found.revenue,
        cost_per_thousand_micros=found.per_thousand,
    )


def verification(found: Verification) -> books_pb2.VerifyLedgerResponse:
    """What the verifier found, on the wire."""
    return books_pb2.VerifyLedgerResponse(
        ok=found.ok,
        transfers=found.transfers,
        wallets=found.wallets,
        balances=[
            books_pb2.AccountBalance(account=account, balance_micros=balance)
            for account, balance in sorted(found.balances.items())
        ],
        heads=[
            books_pb2.ChainHead(chain_id=chain_id, length=length, sha256=sha256.hex())
            for chain_id, length, sha256 in found.heads
        ],
        findings=[
            books_pb2.Finding(check=finding.check.value, subject=finding.subject, message=finding.message)
            for finding in found.findings
        ],
    )


def timestamp(moment: datetime) -> Timestamp:
    """A moment on the wire."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _span(wrong: _Wrong, request: billing_pb2.GetUsageRequest | books_pb2.GetCostsRequest) -> tuple[datetime, datetime]:
    for name in ("start_time", "end_time"):
        wrong.check(name, ok=request.HasField(name), why="is required")
    start = _moment(wrong, "start_time", request.start_time)
    end = _moment(wrong, "end_time", request.end_time)
    if not wrong:
        wrong.check("end_time", ok=start < end <= start + _SPAN_MAX, why="must be after start_time, at most 366 days")
    return start, end


def _moment(wrong: _Wrong, name: str, stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        wrong[name] = "must be a time of the years 1 to 9999"
        return datetime.now(UTC)


def _is_text(value: str) -> bool:
    return 1 <= len(value) <= _TEXT_MAX and value.isprintable()
