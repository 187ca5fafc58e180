"""What does not fit is refused before it is priced or written, field by field."""

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from queqiao.billing.v1 import billing_pb2

from services.billing import convert
from services.billing.domain import Source, Wallet
from services.billing.operations import Charge, GrantCredit, OpenWallet, Release, Reserve, Settle, VoidCharge
from services.billing.pricing import Price, Usage
from services.runtime.errors import InvalidRequestError

PRICE = Price(1, 2, 3, 4, 5)


class OnePrice:
    """The port `Prices`: the same for every model."""

    def price(self, model: str) -> Price:
        return PRICE


def reserve(**fields: object) -> billing_pb2.ReserveRequest:
    known: dict[str, object] = {"request_id": "r", "user_id": "u", "model": "m"}
    return billing_pb2.ReserveRequest(**known | fields)  # type: ignore[arg-type]  # a table of wrong fields


def settle(**fields: object) -> billing_pb2.SettleRequest:
    known: dict[str, object] = {"request_id": "r", "user_id": "u", "usage": billing_pb2.Usage(input_tokens=5)}
    return billing_pb2.SettleRequest(**known | fields)  # type: ignore[arg-type]  # a table of wrong fields


def charge(**fields: object) -> billing_pb2.ChargeRequest:
    known: dict[str, object] = {"request_id": "r", "user_id": "u", "model": "m", "run_id": "x", "usage": usage()}
    return billing_pb2.ChargeRequest(**known | fields)  # type: ignore[arg-type]  # a table of wrong fields


def grant(**fields: object) -> billing_pb2.GrantCreditRequest:
    known: dict[str, object] = {"request_id": "r", "user_id": "u", "amount_micros": 1}
    return billing_pb2.GrantCreditRequest(**known | fields)  # type: ignore[arg-type]  # a table of wrong fields


def usage(**fields: int) -> billing_pb2.Usage:
    return billing_pb2.Usage(**fields)


def converted(request: Message) -> object:
    match request:
        case billing_pb2.OpenWalletRequest():
            return convert.open_wallet(request, 7)
        case billing_pb2.GrantCreditRequest():
            return convert.grant_credit(request)
        case billing_pb2.ReserveRequest():
            return convert.reserve(request, OnePrice())
        case billing_pb2.SettleRequest():
            return convert.settle(request)
        case billing_pb2.ChargeRequest():
            return convert.charge(request, OnePrice())
        case billing_pb2.ReleaseRequest():
            return convert.release(request)
    raise AssertionError(f"no converter for {request}")


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (billing_pb2.OpenWalletRequest(), {"user_id"}),
        (billing_pb2.OpenWalletRequest(user_id="a" * 65), {"user_id"}),
        (billing_pb2.OpenWalletRequest(user_id="a\n"), {"user_id"}),
        (billing_pb2.OpenWalletRequest(user_id="用户"), {"user_id"}),
        (billing_pb2.OpenWalletRequest(user_id="trial:credit"), {"user_id"}),
        (grant(request_id="trial:credit"), {"request_id"}),
        (grant(amount_micros=0), {"amount_micros"}),
        (grant(amount_micros=-1), {"amount_micros"}),
        (grant(amount_micros=10**12 + 1), {"amount_micros"}),
        (grant(reason="x" * 201), {"reason"}),
        (grant(reason="\x00"), {"reason"}),
        (reserve(model=""), {"model"}),
        (reserve(model="m" * 201), {"model"}),
        (reserve(model="m\x00"), {"model"}),
        (reserve(input_tokens=-1), {"input_tokens"}),
        (reserve(input_tokens=10_000_001), {"input_tokens"}),
        (reserve(max_output_tokens=-1, ttl_s=-1), {"max_output_tokens", "ttl_s"}),
        (reserve(ttl_s=86_401), {"ttl_s"}),
        (reserve(request_id="", user_id="a b"), {"request_id", "user_id"}),
        (billing_pb2.SettleRequest(request_id="r", user_id="u"), {"usage"}),
        (settle(usage=usage(input_tokens=-1)), {"usage.input_tokens"}),
        (settle(usage=usage(output_tokens=10_000_001)), {"usage.output_tokens"}),
        (settle(usage=usage(input_tokens=1, cached_input_tokens=2)), {"usage.cached_input_tokens"}),
        (settle(lost=usage(input_tokens=-1)), {"lost.input_tokens"}),
        (settle(lost=usage(output_tokens=10_000_001)), {"lost.output_tokens"}),
        (settle(lost=usage(input_tokens=1, cached_input_tokens=2)), {"lost.cached_input_tokens"}),
        (settle(outcome=99), {"outcome"}),
        (settle(source=99), {"source"}),
        (billing_pb2.ChargeRequest(), {"request_id", "user_id", "run_id", "model", "usage"}),
        (charge(run_id="a b"), {"run_id"}),
        (charge(model="m\x00"), {"model"}),
        (charge(usage=usage(output_tokens=10_000_001)), {"usage.output_tokens"}),
        (charge(source=99), {"source"}),
        (billing_pb2.ReleaseRequest(), {"request_id", "user_id"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_every_wrong_field_is_named(request_: Message, fields: set[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        converted(request_)
    assert set(caught.value.fields) == fields
    assert next(iter(fields & set(caught.value.message.split()))) in fields


def test_what_fits_becomes_an_operation() -> None:
    assert converted(billing_pb2.OpenWalletRequest(user_id="u")) == OpenWallet("u", 7)
    assert converted(billing_pb2.OpenWalletRequest(user_id="u", without_trial=True)) == OpenWallet("u", 0)
    assert converted(grant(reason="why")) == GrantCredit("u", "r", 1, "why")
    assert converted(reserve(input_tokens=3, max_output_tokens=4)) == Reserve("u", "r", "m", 3, 4, PRICE, 900)
    assert converted(reserve(ttl_s=1)) == Reserve("u", "r", "m", 0, 0, PRICE, 1)
    used = usage(input_tokens=5, cached_input_tokens=5, output_tokens=6)
    cancelled = settle(usage=used, outcome=billing_pb2.TURN_OUTCOME_CANCELLED)
    assert converted(cancelled) == Settle("u", "r", Usage(5, 6, 5), "cancelled")
    lost = settle(usage=used, lost=usage(input_tokens=7, output_tokens=1))
    assert converted(lost) == Settle("u", "r", Usage(5, 6, 5), "unspecified", lost=Usage(7, 1))
    assert converted(billing_pb2.ReleaseRequest(request_id="r", user_id="u")) == Release("u", "r")
    hit = charge(usage=used, source=billing_pb2.ANSWER_SOURCE_CACHE)
    charged = Charge("u", "r", "m", Usage(5, 6, 5), Source.CACHE, "x", PRICE)
    assert converted(hit) == charged
    assert convert.write(billing_pb2.LedgerWrite(charge=hit), OnePrice()) == charged
    assert convert.write(billing_pb2.LedgerWrite(void_charge=hit), OnePrice()) == VoidCharge(charged)


def test_every_outcome_of_the_proto_has_a_name_for_the_receipt() -> None:
    for name, number in billing_pb2.TurnOutcome.items():
        assert convert.settle(settle(outcome=number)).outcome == name.removeprefix("TURN_OUTCOME_").lower()


def test_a_wallet_travels_with_what_is_available() -> None:
    assert convert.wallet(Wallet("u", 10, 4)) == billing_pb2.Wallet(
        user_id="u", balance_micros=10, reserved_micros=4, available_micros=6
    )


@given(st.text(), st.text(), st.text(), *[st.integers(-(2**31), 2**31 - 1)] * 3)
def test_any_reservation_is_either_understood_or_refused(
    request_id: str, user_id: str, model: str, input_tokens: int, max_output_tokens: int, ttl_s: int
) -> None:
    request = reserve(
        request_id=request_id,
        user_id=user_id,
        model=model,
        input_tokens=input_tokens,
        max_output_tokens=max_output_tokens,
        ttl_s=ttl_s,
    )
    try:
        operation = convert.reserve(request, OnePrice())
    except InvalidRequestError:
        return
    assert operation.ttl_s > 0
    assert operation.price.worst_case(operation.input_tokens, operation.max_output_tokens) >= 0
