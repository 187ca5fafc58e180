"""The ledger's rules, driven through thousands of histories."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from services.billing.errors import InsufficientQuotaError, RequestConflictError, ReservationClosedError
from services.billing.ledger import (
    Book,
    Expire,
    GrantCredit,
    OpenWallet,
    Operation,
    Release,
    Reserve,
    Result,
    Settle,
    State,
    Wallet,
    wallet_account,
)
from services.billing.pricing import Price, Usage
from services.runtime.errors import ServiceError

# One micro-yuan a token, so that amounts can be read.
UNIT = Price(1_000_000, 1_000_000, 1_000_000, 0, 1_000_000)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=900)


def reserve(request_id: str, tokens: int, user_id: str = "u") -> Reserve:
    return Reserve(user_id, request_id, "m", tokens, 0, UNIT, LATER)


def settle(request_id: str, tokens: int) -> Settle:
    return Settle("u", request_id, Usage(tokens, 0), "completed")


def funded(micros: int) -> Book:
    return Book(wallets={"u": Wallet("u", micros)})


def done(outcome: Result | ServiceError) -> Result:
    assert isinstance(outcome, Result), outcome
    return outcome


def test_within_one_batch_each_operation_sees_the_one_before() -> None:
    book = funded(100)
    outcomes = [book.decide(reserve(f"r{n}", 40), NOW) for n in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Result, Result, InsufficientQuotaError]
    assert book.wallets["u"] == Wallet("u", 100, 80)


def test_a_settled_turn_frees_what_it_did_not_use() -> None:
    book = funded(100)
    book.decide(reserve("r", 60), NOW)
    assert done(book.decide(settle("r", 25), NOW)).amount == 25
    assert book.wallets["u"] == Wallet("u", 75, 0)
    assert [(t.debit_account, t.credit_account, t.amount) for t in book.transfers] == [("wallet:u", "revenue", 25)]


def test_nobody_pays_more_than_was_reserved() -> None:
    book = funded(100)
    book.decide(reserve("r", 60), NOW)
    assert done(book.decide(settle("r", 10**6), NOW)).amount == 60


@pytest.mark.parametrize("operation", [reserve("r", 60), settle("r", 5), Release("u", "r")])
def test_a_repeated_write_changes_nothing(operation: Operation) -> None:
    book = funded(100)
    if not isinstance(operation, Reserve):
        book.decide(reserve("r", 60), NOW)
    first = done(book.decide(operation, NOW))
    wallet, transfers = book.wallets["u"], list(book.transfers)
    again = done(book.decide(operation, NOW))
    assert (again.amount, again.fresh) == (first.amount, False)
    assert (book.wallets["u"], book.transfers) == (wallet, transfers)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (reserve("r", 60), reserve("r", 61)),
        (settle("r", 5), settle("r", 6)),
        (GrantCredit("u", "g", 5, "gift"), GrantCredit("u", "g", 6, "gift")),
    ],
)
def test_the_same_id_with_other_content_is_a_conflict(first: Operation, second: Operation) -> None:
    book = funded(100)
    if not isinstance(first, Reserve | GrantCredit):
        book.decide(reserve("r", 60), NOW)
    done(book.decide(first, NOW))
    assert isinstance(book.decide(second, NOW), RequestConflictError)


@pytest.mark.parametrize(
    ("close", "then"),
    [
        (Release("u", "r"), settle("r", 5)),
        (settle("r", 5), Release("u", "r")),
        (Expire("u", "r"), settle("r", 5)),
    ],
)
def test_a_reservation_is_closed_once(close: Operation, then: Operation) -> None:
    book = funded(100)
    book.decide(reserve("r", 60), NOW)
    done(book.decide(close, LATER))
    assert isinstance(book.decide(then, LATER), ReservationClosedError)


def test_a_reservation_does_not_expire_early() -> None:
    book = funded(100)
    book.decide(reserve("r", 60), NOW)
    assert isinstance(book.decide(Expire("u", "r"), NOW), ReservationClosedError)


def test_the_trial_credit_is_given_once_even_if_it_changes() -> None:
    book = funded(0)
    assert done(book.decide(OpenWallet("u", 100), NOW)).fresh
    assert not done(book.decide(OpenWallet("u", 500), NOW)).fresh
    assert book.wallets["u"].balance == 100


class Histories(RuleBasedStateMachine):
    """Any order of operations, repeats and retries keeps every invariant."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(wallets={user: Wallet(user) for user in ("u", "v")})
        self.names = 0

    @rule(target=requests, user=st.sampled_from(["u", "v"]), tokens=st.integers(0, 200))
    def reserve(self, user: str, tokens: int) -> tuple[str, str, int]:
        self.names += 1
        self.book.decide(reserve(f"r{self.names}", tokens, user), NOW)
        return user, f"r{self.names}", tokens

    @rule(request=requests)
    def reserve_again(self, request: tuple[str, str, int]) -> None:
        user, name, tokens = request
        self.book.decide(reserve(name, tokens, user), NOW)

    @rule(request=requests, tokens=st.integers(0, 300))
    def settle(self, request: tuple[str, str, int], tokens: int) -> None:
        self.book.decide(Settle(request[0], request[1], Usage(tokens, 0), "completed"), NOW)

    @rule(request=requests)
    def release(self, request: tuple[str, str, int]) -> None:
        self.book.decide(Release(request[0], request[1]), NOW)

    @rule(request=requests, now=st.sampled_from([NOW, LATER]))
    def expire(self, request: tuple[str, str, int], now: datetime) -> None:
        self.book.decide(Expire(request[0], request[1]), now)

    @rule(user=st.sampled_from(["u", "v"]), number=st.integers(1, 5), amount=st.integers(1, 500))
    def grant(self, user: str, number: int, amount: int) -> None:
        self.book.decide(GrantCredit(user, f"g{number}", amount, ""), NOW)

    @rule(user=st.sampled_from(["u", "v"]))
    def open(self, user: str) -> None:
        self.book.decide(OpenWallet(user, 100), NOW)

    @invariant()
    def wallets_are_what_the_journal_says(self) -> None:
        for user, wallet in self.book.wallets.items():
            account = wallet_account(user)
            received = sum(t.amount for t in self.book.transfers if t.credit_account == account)
            spent = sum(t.amount for t in self.book.transfers if t.debit_account == account)
            assert wallet.balance == received - spent

    @invariant()
    def what_is_reserved_is_the_sum_of_open_reservations(self) -> None:
        for user, wallet in self.book.wallets.items():
            open_amounts = [
                r.amount for r in self.book.reservations.values() if r.user_id == user and r.state is State.RESERVED
            ]
            assert wallet.reserved == sum(open_amounts)
            assert wallet.available >= 0

    @invariant()
    def no_request_moves_money_twice(self) -> None:
        moved = [(t.user_id, t.request_id, t.kind) for t in self.book.transfers]
        assert len(moved) == len(set(moved))


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
