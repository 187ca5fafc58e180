"""The ledger under every order of operations that hypothesis finds, in batches, with duplicates and late clocks."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.billing.domain import (
    Expire,
    GrantCredit,
    OpenWallet,
    Operation,
    Release,
    Reserve,
    Result,
    Settle,
    State,
    wallet_account,
)
from services.billing.errors import InsufficientQuotaError
from services.billing.pricing import Price, Usage
from tests.fakes.ledger_store import MemoryLedger

# Few of everything, so that ids meet again.
users = st.sampled_from(["ann", "bo", "chen"])
requests = st.sampled_from(["1", "2", "3", "4", "5", "6"])
tokens = st.integers(0, 300)
prices = st.builds(Price, *[st.integers(0, 9_000_000)] * 3, st.integers(0, 5_000), st.integers(1, 9_000_000))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    used = draw(tokens)
    return Usage(used, draw(tokens), draw(st.integers(0, used)))


operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(OpenWallet, users, st.integers(0, 2_000)),
    st.builds(GrantCredit, users, requests, st.integers(1, 5_000), st.sampled_from(["", "why"])),
    st.builds(Reserve, users, requests, st.just("m"), tokens, tokens, prices, st.integers(1, 60)),
    st.builds(Settle, users, requests, usages(), st.sampled_from(["completed", "cancelled"])),
    st.builds(Release, users, requests),
    st.builds(Expire, users, requests),
)


class LedgerMachine(RuleBasedStateMachine):
    """Whatever happens, in whatever order, the books hold."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryLedger()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.done: list[tuple[Operation, Result]] = []

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(batch=st.lists(operations, min_size=1, max_size=6))
    def a_batch_is_written(self, batch: list[Operation]) -> None:
        for operation, outcome in zip(batch, self.store.commit(batch, self.now), strict=True):
            if isinstance(outcome, Result):
                self.done.append((operation, outcome))

    @rule(data=st.data())
    def something_done_is_repeated(self, data: st.DataObject) -> None:
        if not self.done:
            return
        operation, first = data.draw(st.sampled_from(self.done))
        before = (dict(self.store.wallets), len(self.store.journal))
        (again,) = self.store.commit([operation], self.now)
        assert isinstance(again, Result)
        assert not again.fresh
        assert isinstance(operation, OpenWallet) or again.amount == first.amount
        assert before == (self.store.wallets, len(self.store.journal))

    @rule(user=users, data=st.data())
    def a_turn_is_refused_only_when_it_cannot_be_afforded(self, user: str, data: st.DataObject) -> None:
        if user not in self.store.wallets:
            return
        available = self.store.wallets[user].available
        request = f"new{len(self.store.reservations)}"
        turn = data.draw(
            st.builds(Reserve, st.just(user), st.just(request), st.just("m"), tokens, tokens, prices, st.just(9))
        )
        (outcome,) = self.store.commit([turn], self.now)
        affordable = turn.price.worst_case(turn.input_tokens, turn.max_output_tokens) <= available
        assert affordable == isinstance(outcome, Result)
        assert affordable == (not isinstance(outcome, InsufficientQuotaError))

    @rule()
    def overdue_reservations_are_swept(self) -> None:
        for key, item in list(self.store.reservations.items()):
            if item.state is State.RESERVED and item.expires_at <= self.now:
                (outcome,) = self.store.commit([Expire(*key)], self.now)
                assert isinstance(outcome, Result)

    @invariant()
    def the_journal_balances_and_wallets_are_its_projection(self) -> None:
        accounts: dict[str, int] = defaultdict(int)
        for transfer in self.store.journal:
            assert transfer.amount > 0
            accounts[transfer.debit_account] -= transfer.amount
            accounts[transfer.credit_account] += transfer.amount
        assert sum(accounts.values()) == 0
        for user, wallet in self.store.wallets.items():
            assert wallet.balance == accounts[wallet_account(user)]

    @invariant()
    def nobody_spends_what_they_have_not(self) -> None:
        reserved: dict[str, int] = defaultdict(int)
        for item in self.store.reservations.values():
            if item.state is State.RESERVED:
                reserved[item.user_id] += item.amount
        for user, wallet in self.store.wallets.items():
            assert wallet.available >= 0
            assert wallet.reserved == reserved[user]

    @invariant()
    def every_turn_is_charged_once_and_never_beyond_its_reservation(self) -> None:
        charged = {(t.user_id, t.request_id): t.amount for t in self.store.journal if t.kind == "turn"}
        assert len(charged) == sum(t.kind == "turn" for t in self.store.journal)
        for key, item in self.store.reservations.items():
            assert (item.charged or 0) == charged.get(key, 0) <= item.amount
            assert (item.state is State.SETTLED) == (item.charged is not None)
            assert (item.state is State.RESERVED) == (item.closed_at is None)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
