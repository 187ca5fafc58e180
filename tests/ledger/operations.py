"""Operations on the ledger, as hypothesis draws them: few ids, so that they meet again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from services.billing.domain import Key, Reservation, Source, State
from services.billing.operations import (
    Charge,
    EndRefund,
    Expire,
    GrantCredit,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    RefundEnd,
    Release,
    Reserve,
    ReverseTurn,
    Settle,
    VoidCharge,
)
from services.billing.payments.domain import Channel, Order, Payer, Refund
from services.billing.pricing import Price, Usage

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

users = st.sampled_from(["ann", "bo", "chen"])
requests = st.sampled_from(["1", "2", "3", "4", "5", "6"])
tokens = st.integers(0, 300)
# A token of the dearest costs a few fen and one of the cheapest nothing: turns and top-ups are of the same size.
prices = st.builds(
    Price,
    *[st.integers(0, 5_000_000_000)] * 3,
    st.integers(0, 5_000),
    st.integers(1, 9_000_000),
    st.booleans(),
)
_fen = st.integers(1, 300)
# Payments do not arrive in the order in which they were made, and some were made at the same moment.
_paid_at = st.integers(0, 3).map(lambda minutes: BEGIN + timedelta(minutes=minutes))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """What a provider may report, more than was reserved too."""
    used = draw(tokens)
    return Usage(used, draw(tokens), draw(st.integers(0, used)))


def reserves(user: st.SearchStrategy[str], request: st.SearchStrategy[str]) -> st.SearchStrategy[Reserve]:
    """Reservations of a user."""
    return st.builds(Reserve, user, request, st.just("m"), tokens, tokens, prices, st.integers(1, 60))


# Few contents, so that the same is charged again and what was charged is voided.
_charged = st.sampled_from(
    [(Usage(90, 0, 90), Source.CACHE, "a"), (Usage(90, 0, 90), Source.CACHE, "b"), (Usage(60, 40), Source.MODEL, "a")]
)


def charges(user: st.SearchStrategy[str], request: st.SearchStrategy[str]) -> st.SearchStrategy[Charge]:
    """Charges of a user, without a reservation."""
    return st.builds(_charge, user, request, _charged, prices)


def _charge(user: str, request: str, charged: tuple[Usage, Source, str], price: Price) -> Charge:
    usage, source, run = charged
    return Charge(user, request, "m", usage, source, run, price)


_outcomes = st.sampled_from(["completed", "cancelled"])
_credits: list[st.SearchStrategy[Operation]] = [
    st.builds(OpenWallet, users, st.integers(0, 2_000_000)),
    st.builds(GrantCredit, users, requests, st.integers(1, 5_000_000), st.sampled_from(["", "why"])),
]


def operations(
    turns: Sequence[Reservation], orders: Sequence[Order], refunds: Sequence[Refund]
) -> st.SearchStrategy[Operation]:
    """Anything that can be asked: of what there is most of all, and of what may not be."""
    anyone = st.tuples(users, requests)
    some = [*_credits, reserves(users, requests), reserves(users, requests), _closings(anyone)]
    some += [charges(users, requests), charges(users, requests), charges(users, requests).map(VoidCharge)]
    waiting = [(turn.user_id, turn.request_id) for turn in turns if turn.state is State.RESERVED]
    settled = [(turn.user_id, turn.request_id) for turn in turns if turn.state is State.SETTLED]
    if waiting:
        some += [_closings(st.sampled_from(waiting))] * 2
    if settled:
        some.append(_closings(st.sampled_from(settled)))
        again = st.sampled_from(settled).flatmap(lambda key: charges(*map(st.just, key)))
        some += [again, again.map(VoidCharge)]
    if orders:
        some.append(st.sampled_from(orders).flatmap(_payments))
        some.append(st.sampled_from([order for order in orders if order.paid_at] or orders).flatmap(_holds))
    if refunds:
        under_way = [refund for refund in refunds if refund.closed_at is None]
        some += [st.sampled_from(under_way or refunds).flatmap(_ends), st.sampled_from(refunds).flatmap(_ends)]
    return st.one_of(some)


@st.composite
def _closings(draw: st.DrawFn, keys: st.SearchStrategy[Key]) -> Operation:
    key = draw(keys)
    match draw(st.sampled_from(["settle", "settle", "release", "expire", "reverse"])):
        case "settle":
            return Settle(*key, draw(usages()), draw(_outcomes), draw(st.sampled_from(list(Source))))
        case "release":
            return Release(*key)
        case "expire":
            return Expire(*key)
        case _:
            return ReverseTurn(*key)


@st.composite
def orders(draw: st.DrawFn, number: int) -> Order:
    """An order that waits for payment."""
    return order(f"order{number}", draw(users), draw(_fen))


def order(out_trade_no: str, user_id: str, amount_fen: int) -> Order:
    """An order as a user makes it."""
    return Order(
        out_trade_no=out_trade_no,
        user_id=user_id,
        request_id=out_trade_no,
        input_sha256=b"what was asked",
        channel=Channel.JSAPI,
        package_id="small",
        tokens=1,
        amount_fen=amount_fen,
        description="a top-up",
        payer=Payer(openid="o1", client_ip="192.0.2.1"),
        created_at=BEGIN,
        expires_at=BEGIN + timedelta(hours=2),
    )


def contradiction(done: Operation) -> Operation | None:
    """The same request with other content; None where there is none."""
    match done:
        case GrantCredit():
            return replace(done, amount=done.amount + 1)
        case Reserve():
            return replace(done, max_output_tokens=done.max_output_tokens + 1)
        case Settle():
            return replace(done, outcome="failed")
        case Charge():
            return replace(done, run_id="another")
        case VoidCharge():
            return VoidCharge(replace(done.charge, run_id="another"))
        case PayOrder():
            return replace(done, transaction_id="another")
        case HoldRefund():
            return replace(done, amount_fen=done.amount_fen + 1)
        case EndRefund(end=RefundEnd.DONE):
            return replace(done, end=RefundEnd.CANCELLED)
        case EndRefund(end=RefundEnd.CANCELLED):
            return replace(done, end=RefundEnd.DONE)
        case _:
            return None


def _payments(paid: Order) -> st.SearchStrategy[Operation]:
    # Mostly as it was ordered; now and then another amount, or another user's.
    user = st.sampled_from([paid.user_id] * 8 + ["ann"])
    amount = st.sampled_from([paid.amount_fen] * 8 + [paid.amount_fen + 1])
    return st.builds(PayOrder, user, st.just(paid.out_trade_no), amount, st.just(f"wx-{paid.out_trade_no}"), _paid_at)


def _holds(paid: Order) -> st.SearchStrategy[Operation]:
    number = requests.map(lambda request: f"{paid.out_trade_no}refund{request}")
    user = st.sampled_from([paid.user_id] * 8 + ["ann"])
    return st.builds(
        HoldRefund, user, number, st.just("r"), st.just(paid.out_trade_no), st.integers(0, 150), st.just("why")
    )


def _ends(refund: Refund) -> st.SearchStrategy[Operation]:
    user = st.sampled_from([refund.user_id] * 8 + ["ann"])
    return st.builds(
        EndRefund, user, st.just(refund.out_refund_no), st.sampled_from([RefundEnd.DONE, *RefundEnd]), st.just("wx1")
    )
