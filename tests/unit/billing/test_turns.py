"""What a turn costs its user and us, and giving it back."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain import PROVIDER_COST, PROVIDERS, REVENUE, Kind, Source, State, Transfer
from services.billing.operations import Expire, GrantCredit, Operation, Release, Reserve, Result, ReverseTurn, Settle
from services.billing.pricing import NOTHING_USED, Price, Usage
from services.runtime.errors import ServiceError
from tests.fakes.ledger_store import MemoryLedger
from tests.ledger.books import assert_sound
from tests.ledger.operations import prices, tokens, usages

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A micro-yuan a token in, two out; half of it for cached input; half as much again for us.
PRICE = Price(1_000_000, 500_000, 2_000_000, 5_000, 1_000_000)
OURS = Price(1_000_000, 500_000, 2_000_000, 5_000, 1_000_000, own_model=True)

# What a settlement of 80 tokens in and 20 out was hashed as before lost calls were told.
SETTLED_BEFORE = hashlib.sha256(b"settle\n80\n0\n20\ncompleted\nmodel").digest()


def turn(*endings: Operation, price: Price = PRICE, credit: int = 10_000) -> MemoryLedger:
    """A wallet with a reservation of 100 tokens in and 100 out, and how it ended."""
    store = MemoryLedger()
    opening: list[Operation] = [GrantCredit("u", "g", credit, ""), Reserve("u", "r", "m", 100, 100, price, 900)]
    for outcome in store.commit([*opening, *endings], NOW):
        assert isinstance(outcome, Result), outcome
    return store


def ended(store: MemoryLedger, operation: Operation) -> Result | ServiceError:
    (outcome,) = store.commit([operation], NOW)
    assert_sound(store.books())
    return outcome


def settle(usage: Usage, source: Source = Source.MODEL, lost: Usage = NOTHING_USED) -> Settle:
    return Settle("u", "r", usage, "completed", source, lost)


def test_what_a_turn_cost_us_is_booked_beside_what_it_paid() -> None:
    store = turn(settle(Usage(80, 20, cached_input=40)))
    # 40 at 1, 40 cached at a half, 20 at 2: 100 to the provider, 150 with the markup.
    assert store.journal[1:] == [
        Transfer("wallet:u", REVENUE, 150, Kind.TURN, "u", "r", 9_850),
        Transfer(PROVIDER_COST, PROVIDERS, 100, Kind.COST, "u", "r"),
    ]
    assert (store.reservations["u", "r"].charged, store.reservations["u", "r"].provider_cost) == (150, 100)


@pytest.mark.parametrize(("price", "source"), [(PRICE, Source.CACHE), (OURS, Source.MODEL), (OURS, Source.CACHE)])
def test_an_answer_from_the_cache_or_of_our_own_model_is_paid_for_and_costs_us_nothing(
    price: Price, source: Source
) -> None:
    store = turn(settle(Usage(80, 20), source), price=price)
    assert [transfer.kind for transfer in store.journal] == [Kind.GRANT, Kind.TURN]
    assert (store.reservations["u", "r"].charged, store.reservations["u", "r"].provider_cost) == (180, 0)


@pytest.mark.parametrize(
    ("price", "source", "cost"),
    [(PRICE, Source.MODEL, 120 + 80), (PRICE, Source.CACHE, 80), (OURS, Source.MODEL, 0)],
)
def test_a_call_that_was_given_up_costs_us_and_not_the_user(price: Price, source: Source, cost: int) -> None:
    store = turn(settle(Usage(80, 20), source, lost=Usage(80, 0)), price=price)
    assert (store.reservations["u", "r"].charged, store.reservations["u", "r"].provider_cost) == (180, cost)
    assert store.reservations["u", "r"].lost == Usage(80, 0)
    assert [t.amount for t in store.journal if t.kind is Kind.COST] == ([cost] if cost else [])
    assert_sound(store.books())


def test_what_was_lost_is_a_part_of_what_is_asked_only_where_something_was() -> None:
    assert settle(Usage(80, 20)).sha256 == settle(Usage(80, 20), lost=Usage(0, 0)).sha256 == SETTLED_BEFORE
    store = turn(settle(Usage(80, 20), lost=Usage(80, 0)))
    again = ended(store, settle(Usage(80, 20), lost=Usage(80, 0)))
    assert isinstance(again, Result)
    assert not again.fresh
    other = ended(store, settle(Usage(80, 20), lost=Usage(160, 0)))
    assert isinstance(other, ServiceError)
    assert other.wire_reason == "REQUEST_CONFLICT"


@given(prices, usages(), usages(), st.sampled_from(Source))
def test_lost_calls_never_change_what_a_turn_is_charged(price: Price, used: Usage, lost: Usage, source: Source) -> None:
    ledgers = [turn(settle(used, source, lost=some), price=price, credit=10**12) for some in (Usage(0, 0), lost)]
    without, with_lost = (ledger.reservations["u", "r"] for ledger in ledgers)
    assert with_lost.charged == without.charged
    assert (with_lost.provider_cost or 0) - (without.provider_cost or 0) == price.provider_cost(lost)
    assert ledgers[0].wallets == ledgers[1].wallets


def test_the_same_usage_from_another_source_is_another_settlement() -> None:
    store = turn(settle(Usage(80, 20)))
    outcome = ended(store, settle(Usage(80, 20), Source.CACHE))
    assert isinstance(outcome, ServiceError)
    assert outcome.wire_reason == "REQUEST_CONFLICT"


def test_a_provider_that_reports_too_much_is_believed_for_our_cost_and_not_for_the_users() -> None:
    store = turn()
    outcome = ended(store, settle(Usage(1_000, 1_000)))
    assert isinstance(outcome, Result)
    assert (outcome.amount, outcome.clamped) == (450, True)
    assert store.reservations["u", "r"].provider_cost == 3_000


@given(prices, tokens, tokens, usages())
def test_a_settlement_charges_the_cost_and_never_more_than_was_reserved(
    price: Price, input_tokens: int, max_output_tokens: int, used: Usage
) -> None:
    store = MemoryLedger()
    asked = Reserve("u", "r", "m", input_tokens, max_output_tokens, price, 900)
    _, reserved, settled = store.commit([GrantCredit("u", "g", 10**12, ""), asked, settle(used)], NOW)
    assert isinstance(reserved, Result)
    assert isinstance(settled, Result)
    assert settled.amount == min(price.cost(used), reserved.amount)
    assert settled.clamped == (price.cost(used) > reserved.amount)
    assert settled.wallet.available == settled.wallet.balance == 10**12 - settled.amount
    assert_sound(store.books())


def test_a_reversed_turn_gives_its_charge_back_and_stays_on_the_books() -> None:
    store = turn(settle(Usage(80, 20)))
    outcome = ended(store, ReverseTurn("u", "r"))
    assert isinstance(outcome, Result)
    assert (outcome.amount, outcome.fresh, outcome.wallet.balance) == (180, True, 10_000)
    assert store.journal[-1] == Transfer(REVENUE, "wallet:u", 180, Kind.REVERSAL, "u", "r", 10_000)
    receipt = store.reservations["u", "r"]
    assert (receipt.state, receipt.charged, receipt.usage) == (State.REVERSED, 180, Usage(80, 20))


def test_a_turn_is_reversed_once_and_its_settlement_is_still_answered_as_at_first() -> None:
    store = turn(settle(Usage(80, 20)), ReverseTurn("u", "r"))
    for again in (ReverseTurn("u", "r"), settle(Usage(80, 20))):
        outcome = ended(store, again)
        assert isinstance(outcome, Result)
        assert (outcome.amount, outcome.fresh, outcome.wallet.balance) == (180, False, 10_000)


def test_a_turn_that_cost_nothing_can_be_reversed_and_moves_nothing() -> None:
    store = turn(settle(Usage(0, 0)))
    outcome = ended(store, ReverseTurn("u", "r"))
    assert isinstance(outcome, Result)
    assert (outcome.amount, len(store.journal)) == (0, 1)


@pytest.mark.parametrize("ending", [None, Release("u", "r")], ids=["open", "released"])
def test_only_a_settled_turn_can_be_reversed(ending: Operation | None) -> None:
    outcome = ended(turn(*([ending] if ending else [])), ReverseTurn("u", "r"))
    assert isinstance(outcome, ServiceError)
    assert outcome.wire_reason == "RESERVATION_CLOSED"


@pytest.mark.parametrize("operation", [Release("u", "r"), Expire("u", "r")])
def test_a_reversed_turn_cannot_be_released_or_expire(operation: Operation) -> None:
    outcome = ended(turn(settle(Usage(80, 20)), ReverseTurn("u", "r")), operation)
    assert isinstance(outcome, ServiceError)
    assert outcome.metadata == {"state": "reversed"}


def test_a_turn_that_never_was_cannot_be_reversed() -> None:
    for store in (MemoryLedger(), turn()):
        outcome = ended(store, ReverseTurn("u", "never"))
        assert isinstance(outcome, ServiceError)
        assert outcome.wire_reason == "RESERVATION_NOT_FOUND"


def test_a_reserve_that_is_repeated_after_its_end_says_that_nothing_is_set_aside() -> None:
    store = turn()
    reserve = Reserve("u", "r", "m", 100, 100, PRICE, 900)
    again = ended(store, reserve)
    assert isinstance(again, Result)
    assert (again.fresh, again.closed) == (False, False)
    ended(store, Release("u", "r"))
    over = ended(store, reserve)
    assert isinstance(over, Result)
    assert (over.fresh, over.closed, over.amount) == (False, True, again.amount)
