"""The ledger's rules, one by one; test_ledger_machine.py tries them in every order."""

from datetime import UTC, datetime, timedelta

import pytest

from services.billing.domain import PROMOTIONS, PROVIDER_COST, PROVIDERS, REVENUE, Kind, State, Transfer
from services.billing.operations import Expire, GrantCredit, OpenWallet, Operation, Release, Reserve, Result, Settle
from services.billing.pricing import Price, Usage
from services.runtime.errors import ServiceError
from tests.fakes.ledger_store import MemoryLedger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A micro-yuan a token, in and out; half of it for cached input.
PRICE = Price(1_000_000, 500_000, 1_000_000, 0, 1_000_000)
USAGE = Usage(input=30, output=20)


def reserve(request_id: str = "r", input_tokens: int = 40, max_output_tokens: int = 60, ttl_s: int = 900) -> Reserve:
    return Reserve("u", request_id, "m", input_tokens, max_output_tokens, PRICE, ttl_s)


def settle(usage: Usage = USAGE, outcome: str = "completed") -> Settle:
    return Settle("u", "r", usage, outcome)


def ledger(*operations: Operation, credit: int = 1_000) -> MemoryLedger:
    store = MemoryLedger()
    for outcome in store.commit([GrantCredit("u", "g", credit, ""), *operations], NOW):
        assert isinstance(outcome, Result)
    return store


def done(store: MemoryLedger, operation: Operation, now: datetime = NOW) -> Result:
    (outcome,) = store.commit([operation], now)
    assert isinstance(outcome, Result), outcome
    return outcome


def refused(store: MemoryLedger, operation: Operation, now: datetime = NOW) -> ServiceError:
    before = (dict(store.wallets), dict(store.reservations), dict(store.grants), list(store.journal))
    (outcome,) = store.commit([operation], now)
    assert isinstance(outcome, ServiceError), outcome
    assert before == (store.wallets, store.reservations, store.grants, store.journal)
    return outcome


def test_a_turn_moves_what_it_used_from_the_wallet_to_revenue_and_frees_the_rest() -> None:
    store = ledger()
    reserved = done(store, reserve())
    assert (reserved.amount, reserved.wallet.balance, reserved.wallet.available) == (100, 1_000, 900)
    settled = done(store, settle())
    assert (settled.amount, settled.wallet.balance, settled.wallet.available) == (50, 950, 950)
    assert store.journal == [
        Transfer(PROMOTIONS, "wallet:u", 1_000, Kind.GRANT, "u", "g", 1_000),
        Transfer("wallet:u", REVENUE, 50, Kind.TURN, "u", "r", 950),
        Transfer(PROVIDER_COST, PROVIDERS, 50, Kind.COST, "u", "r"),
    ]


def test_a_reservation_that_cannot_be_afforded_says_what_is_missing() -> None:
    error = refused(ledger(credit=99), reserve())
    assert error.wire_reason == "INSUFFICIENT_QUOTA"
    assert error.metadata == {"required_micros": "100", "available_micros": "99"}


def test_what_is_reserved_cannot_be_reserved_again() -> None:
    store = ledger(reserve("first"), credit=150)
    assert refused(store, reserve("second")).metadata["available_micros"] == "50"


def test_the_last_micro_yuan_can_be_spent() -> None:
    assert done(ledger(credit=100), reserve()).wallet.available == 0


def test_the_price_of_the_reservation_is_the_price_of_the_turn() -> None:
    store = ledger(reserve())
    dearer = Price(9_000_000, 9_000_000, 9_000_000, 0, 1_000_000)
    assert done(store, Reserve("u", "r", "m", 40, 60, dearer, 900)) == Result(store.wallets["u"], 100, fresh=False)
    assert done(store, settle()).amount == 50


def test_cached_input_is_charged_at_its_own_price() -> None:
    assert done(ledger(reserve()), settle(Usage(30, 20, cached_input=30))).amount == 35


def test_a_turn_is_never_charged_more_than_was_reserved() -> None:
    settled = done(ledger(reserve(), credit=100), settle(Usage(4_000, 6_000)))
    assert (settled.amount, settled.clamped, settled.wallet.balance) == (100, True, 0)


def test_a_turn_within_its_reservation_is_not_called_clamped() -> None:
    assert not done(ledger(reserve()), settle(Usage(40, 60))).clamped


def test_settling_nothing_charges_nothing_and_writes_no_transfer() -> None:
    store = ledger(reserve())
    assert done(store, settle(Usage(0, 0), "failed")).wallet.available == 1_000
    assert len(store.journal) == 1


@pytest.mark.parametrize("closing", [settle(), Release("u", "r")])
def test_a_repeated_reservation_is_answered_as_at_first_even_after_it_was_closed(closing: Operation) -> None:
    store = ledger(reserve(), closing)
    again = done(store, reserve())
    assert (again.amount, again.fresh, again.wallet.reserved) == (100, False, 0)


@pytest.mark.parametrize(
    "other",
    [
        reserve(input_tokens=41),
        reserve(max_output_tokens=61),
        reserve(ttl_s=901),
        Reserve("u", "r", "other", 40, 60, PRICE, 900),
    ],
)
def test_the_same_request_with_other_content_is_a_conflict(other: Reserve) -> None:
    assert refused(ledger(reserve()), other).wire_reason == "REQUEST_CONFLICT"


def test_a_repeated_settlement_charges_once_and_answers_the_same() -> None:
    store = ledger(reserve(), settle())
    again = done(store, settle())
    assert (again.amount, again.fresh, again.wallet.balance) == (50, False, 950)


@pytest.mark.parametrize(
    "other", [settle(Usage(30, 21)), settle(Usage(31, 20)), settle(Usage(30, 20, 5)), settle(outcome="cancelled")]
)
def test_settling_otherwise_than_before_is_a_conflict(other: Settle) -> None:
    assert refused(ledger(reserve(), settle()), other).wire_reason == "REQUEST_CONFLICT"


def test_what_was_released_cannot_be_settled() -> None:
    error = refused(ledger(reserve(), Release("u", "r")), settle())
    assert (error.wire_reason, error.metadata) == ("RESERVATION_CLOSED", {"state": "released"})


def test_what_was_settled_cannot_be_released() -> None:
    error = refused(ledger(reserve(), settle()), Release("u", "r"))
    assert (error.wire_reason, error.metadata) == ("RESERVATION_CLOSED", {"state": "settled"})


def test_releasing_twice_gives_back_once() -> None:
    store = ledger(reserve(), Release("u", "r"))
    assert done(store, Release("u", "r")) == Result(store.wallets["u"], fresh=False)
    assert store.wallets["u"].available == 1_000


def test_a_reservation_expires_at_its_time_and_not_before() -> None:
    store = ledger(reserve(ttl_s=60))
    early = NOW + timedelta(seconds=60) - timedelta(microseconds=1)
    assert refused(store, Expire("u", "r"), early).wire_reason == "RESERVATION_CLOSED"
    assert done(store, Expire("u", "r"), NOW + timedelta(seconds=60)).wallet.available == 1_000
    assert store.reservations["u", "r"].state is State.EXPIRED


def test_a_turn_that_outlived_its_reservation_can_be_settled_until_it_is_swept() -> None:
    late = NOW + timedelta(days=1)
    store = ledger(reserve(ttl_s=60))
    assert done(store, settle(), late).amount == 50
    assert refused(store, Expire("u", "r"), late).metadata == {"state": "settled"}


def test_what_has_expired_cannot_be_settled_but_may_be_released() -> None:
    late = NOW + timedelta(days=1)
    store = ledger(reserve(ttl_s=60))
    done(store, Expire("u", "r"), late)
    assert refused(store, settle(), late).metadata == {"state": "expired"}
    assert not done(store, Release("u", "r"), late).fresh
    assert store.reservations["u", "r"].state is State.EXPIRED


def test_the_trial_credit_is_given_once_whatever_it_is_today() -> None:
    store = MemoryLedger()
    opened = done(store, OpenWallet("u", 1_000))
    assert (opened.fresh, opened.wallet.balance) == (True, 1_000)
    again = done(store, OpenWallet("u", 5_000))
    assert (again.fresh, again.wallet.balance) == (False, 1_000)
    assert [transfer.kind for transfer in store.journal] == ["trial"]


def test_a_wallet_without_trial_credit_opens_once_and_empty() -> None:
    store = MemoryLedger()
    assert [done(store, OpenWallet("u", 0)).fresh for _ in range(2)] == [True, False]
    assert store.journal == []


def test_a_user_who_was_granted_credit_first_still_gets_the_trial() -> None:
    assert done(ledger(credit=7), OpenWallet("u", 1_000)).wallet.balance == 1_007


def test_a_grant_happens_once_and_never_with_another_amount_or_reason() -> None:
    store = ledger()
    assert done(store, GrantCredit("u", "g", 1_000, "")).wallet.balance == 1_000
    assert refused(store, GrantCredit("u", "g", 1_001, "")).wire_reason == "REQUEST_CONFLICT"
    assert refused(store, GrantCredit("u", "g", 1_000, "why")).wire_reason == "REQUEST_CONFLICT"


def test_who_has_no_wallet_is_told_to_open_one() -> None:
    assert refused(MemoryLedger(), reserve()).wire_reason == "WALLET_NOT_FOUND"


@pytest.mark.parametrize("operation", [settle(), Release("u", "r"), Expire("u", "r")])
@pytest.mark.parametrize("store", [MemoryLedger, ledger], ids=["no wallet", "a wallet"])
def test_what_was_never_reserved_cannot_be_closed(store: type[MemoryLedger], operation: Operation) -> None:
    assert refused(store(), operation).wire_reason == "RESERVATION_NOT_FOUND"


def test_request_ids_of_two_users_are_two_requests() -> None:
    store = ledger(GrantCredit("v", "g", 500, ""), reserve())
    assert done(store, Reserve("v", "r", "other", 1, 1, PRICE, 900)).amount == 2
    assert refused(store, Settle("w", "r", USAGE, "completed")).wire_reason == "RESERVATION_NOT_FOUND"


def test_in_a_batch_each_is_decided_in_order_and_the_refused_harm_no_neighbour() -> None:
    outcomes = ledger(credit=250).commit(
        [reserve("1"), reserve("2"), reserve("3"), Release("u", "1"), reserve("4"), settle()], NOW
    )
    said = [outcome.wire_reason if isinstance(outcome, ServiceError) else "OK" for outcome in outcomes]
    assert said == ["OK", "OK", "INSUFFICIENT_QUOTA", "OK", "OK", "RESERVATION_NOT_FOUND"]
