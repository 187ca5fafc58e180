"""Turns that are charged at once, without a reservation, and charges that are undone."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain import PROVIDER_COST, PROVIDERS, REVENUE, Kind, Source, State, Transfer, Wallet
from services.billing.operations import (
    Charge,
    Expire,
    GrantCredit,
    Operation,
    Release,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
    VoidCharge,
)
from services.billing.pricing import NOTHING_USED, Price, Usage
from services.runtime.errors import ServiceError
from tests.fakes.ledger_store import MemoryLedger
from tests.ledger.books import assert_sound
from tests.ledger.operations import prices, usages

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A micro-yuan a token in, two out; half of it for cached input; half as much again for us.
PRICE = Price(1_000_000, 500_000, 2_000_000, 5_000, 1_000_000)
# 80 cached at a half: 40, and 60 with the markup.
HIT = Charge("u", "r", "m", Usage(80, 0, cached_input=80), Source.CACHE, "run1", PRICE)
OTHER_RUN = replace(HIT, run_id="run2")


def ledger(*operations: Operation, credit: int = 1_000) -> MemoryLedger:
    store = MemoryLedger()
    for outcome in store.commit([GrantCredit("u", "g", credit, ""), *operations], NOW):
        assert isinstance(outcome, Result), outcome
    return store


def written(store: MemoryLedger, operation: Operation) -> Result | ServiceError:
    (outcome,) = store.commit([operation], NOW)
    assert_sound(store.books())
    return outcome


def done(store: MemoryLedger, operation: Operation) -> Result:
    outcome = written(store, operation)
    assert isinstance(outcome, Result), outcome
    return outcome


def refusal(store: MemoryLedger, operation: Operation) -> str:
    before = store.books()
    outcome = written(store, operation)
    assert isinstance(outcome, ServiceError), outcome
    assert store.books() == before, "what is refused changes nothing"
    return outcome.wire_reason


def test_a_charge_moves_money_at_once_and_is_on_the_books_like_a_settled_turn() -> None:
    store = ledger()
    outcome = done(store, HIT)
    assert (outcome.amount, outcome.fresh, outcome.wallet) == (60, True, Wallet("u", 940, 0))
    assert store.journal[1:] == [Transfer("wallet:u", REVENUE, 60, Kind.TURN, "u", "r", 940)]
    turn = store.reservations["u", "r"]
    assert (turn.state, turn.outcome, turn.source, turn.usage) == (State.SETTLED, "completed", Source.CACHE, HIT.usage)
    assert (turn.amount, turn.charged, turn.provider_cost, turn.lost) == (60, 60, 0, NOTHING_USED)
    assert turn.created_at == turn.closed_at == NOW


@given(prices, usages())
def test_a_charge_costs_what_reserving_and_settling_the_same_would(price: Price, used: Usage) -> None:
    at_once, in_two = ledger(credit=10**12), ledger(credit=10**12)
    charged = done(at_once, replace(HIT, usage=used, price=price))
    done(in_two, Reserve("u", "r", "m", used.input, used.output, price, 900))
    settled = done(in_two, Settle("u", "r", used, "completed", Source.CACHE))
    assert (charged.amount, charged.wallet) == (settled.amount, settled.wallet)
    assert at_once.journal == in_two.journal


def test_what_the_model_wrote_costs_us_also_when_it_is_charged_at_once() -> None:
    store = ledger(replace(HIT, usage=Usage(10, 10), source=Source.MODEL))
    assert store.journal[-1] == Transfer(PROVIDER_COST, PROVIDERS, 30, Kind.COST, "u", "r")


def test_a_charge_takes_the_last_micro_yuan_that_is_available_and_none_that_is_set_aside() -> None:
    reserved = Reserve("u", "running", "m", 40, 0, PRICE, 900)
    store = ledger(reserved, credit=119)
    outcome = written(store, HIT)
    assert isinstance(outcome, ServiceError)
    assert outcome.wire_reason == "INSUFFICIENT_QUOTA"
    assert outcome.metadata == {"required_micros": "60", "available_micros": "59"}
    assert done(ledger(reserved, credit=120), HIT).wallet == Wallet("u", 60, 60)


def test_of_a_batch_of_charges_exactly_those_are_carried_out_that_are_affordable() -> None:
    store = ledger(credit=150)
    outcomes = store.commit([replace(HIT, request_id=f"r{n}") for n in range(5)], NOW)
    assert [isinstance(outcome, Result) for outcome in outcomes] == [True, True, False, False, False]
    assert store.wallets["u"] == Wallet("u", 30, 0)
    assert_sound(store.books())


def test_a_repeated_charge_is_answered_as_at_first_also_when_the_price_is_another_today() -> None:
    store = ledger(HIT)
    again = done(store, replace(HIT, price=replace(PRICE, cached_input_usd_micros=900_000)))
    assert (again.amount, again.fresh, again.wallet.balance) == (60, False, 940)
    assert len(store.journal) == 2


@pytest.mark.parametrize(
    "other",
    [
        OTHER_RUN,
        replace(HIT, usage=Usage(80, 0, cached_input=79)),
        replace(HIT, usage=Usage(80, 1, cached_input=80)),
        replace(HIT, model="n"),
        replace(HIT, source=Source.MODEL),
        Reserve("u", "r", "m", 80, 0, PRICE, 900),
        Settle("u", "r", HIT.usage, "completed", Source.CACHE),
        VoidCharge(OTHER_RUN),
    ],
)
def test_what_was_charged_is_a_conflict_for_everything_else_under_its_id(other: Operation) -> None:
    assert refusal(ledger(HIT), other) == "REQUEST_CONFLICT"


@pytest.mark.parametrize("ending", [None, Settle("u", "r", Usage(80, 0), "completed"), Release("u", "r")])
def test_what_was_reserved_is_neither_charged_nor_voided(ending: Operation | None) -> None:
    store = ledger(Reserve("u", "r", "m", 80, 0, PRICE, 900), *([ending] if ending else []))
    assert refusal(store, HIT) == refusal(store, VoidCharge(HIT)) == "REQUEST_CONFLICT"


@pytest.mark.parametrize("operation", [Release("u", "r"), Expire("u", "r")])
def test_a_charged_turn_is_neither_released_nor_expires(operation: Operation) -> None:
    assert refusal(ledger(HIT), operation) == "RESERVATION_CLOSED"


def test_a_voided_charge_is_given_back_once_and_stays_on_the_books() -> None:
    store = ledger(HIT)
    outcome = done(store, VoidCharge(HIT))
    assert (outcome.amount, outcome.fresh, outcome.wallet) == (60, True, Wallet("u", 1_000, 0))
    assert store.journal[-1] == Transfer(REVENUE, "wallet:u", 60, Kind.REVERSAL, "u", "r", 1_000)
    assert (store.reservations["u", "r"].state, store.reservations["u", "r"].charged) == (State.REVERSED, 60)
    for again in (VoidCharge(HIT), ReverseTurn("u", "r"), HIT):
        repeated = done(store, again)
        assert (repeated.amount, repeated.fresh, repeated.wallet.balance) == (60, False, 1_000)


def test_a_charge_that_comes_after_it_was_voided_is_refused() -> None:
    store = ledger()
    outcome = done(store, VoidCharge(HIT))
    assert (outcome.amount, outcome.fresh, outcome.wallet) == (0, True, Wallet("u", 1_000, 0))
    assert refusal(store, HIT) == "RESERVATION_CLOSED"
    assert refusal(store, OTHER_RUN) == "REQUEST_CONFLICT"
    assert (done(store, VoidCharge(HIT)).fresh, len(store.journal)) == (False, 1)
    assert store.reservations["u", "r"].state is State.RELEASED


def test_what_an_operator_gave_back_is_not_given_back_again_by_a_void() -> None:
    store = ledger(HIT, ReverseTurn("u", "r"))
    assert not done(store, VoidCharge(HIT)).fresh
    assert store.wallets["u"].balance == 1_000


def test_a_charge_of_nothing_moves_nothing_and_can_be_voided() -> None:
    store = ledger(replace(HIT, usage=Usage(0, 0)))
    assert done(store, VoidCharge(replace(HIT, usage=Usage(0, 0)))).amount == 0
    assert (len(store.journal), store.reservations["u", "r"].state) == (1, State.REVERSED)


@pytest.mark.parametrize("operation", [HIT, VoidCharge(HIT)])
def test_nobody_is_charged_who_has_no_wallet(operation: Operation) -> None:
    assert refusal(MemoryLedger(), operation) == "WALLET_NOT_FOUND"


@given(st.permutations([HIT, HIT, VoidCharge(HIT), VoidCharge(HIT), OTHER_RUN, VoidCharge(OTHER_RUN)]))
def test_in_whatever_order_they_come_nothing_stays_charged_of_what_was_voided(order: list[Operation]) -> None:
    store = ledger()
    store.commit(order, NOW)
    assert_sound(store.books())
    assert store.wallets["u"] == Wallet("u", 1_000, 0)
