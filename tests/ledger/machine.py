"""The ledger under every order of operations that hypothesis finds.

In batches, with duplicates, conflicts, late clocks, and crashes before and after the commit.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.billing.domain import State
from services.billing.errors import InsufficientQuotaError, RequestConflictError
from services.billing.operations import (
    EndRefund,
    Expire,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    RefundEnd,
    Result,
)
from services.billing.payments.domain import MICROS_PER_FEN, Order, OrderState
from services.billing.payments.errors import RefundTooLargeError
from services.runtime.errors import ServiceError
from tests.fakes.ledger_store import MemoryLedger
from tests.ledger.books import Books, assert_sound, left_of_topups
from tests.ledger.operations import BEGIN, charges, contradiction, operations, orders, reserves, users

_ORDERS_MAX = 6

Outcomes = Sequence[Result | ServiceError]


class LedgerMachine(RuleBasedStateMachine):
    """Whatever happens, in whatever order, the books hold. Drives the rules in memory; a subclass may drive a store."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryLedger()
        self.now = BEGIN
        # What was done, answered or not; and what nobody knows of whether it was.
        self.done: list[tuple[Operation, Result]] = []
        self.unanswered: list[Operation] = []

    def write(self, batch: Sequence[Operation]) -> Outcomes:
        """Write, and answer."""
        return self.store.commit(batch, self.now)

    def lose(self, batch: Sequence[Operation]) -> None:
        """Write, and crash before the commit."""
        self.store.decided(batch, self.now)

    def put_order(self, order: Order) -> None:
        """Someone wants to buy."""
        self.store.put_order(order)

    def close_order(self, order: Order) -> None:
        """Nobody paid in time."""
        self.store.orders[order.out_trade_no] = replace(order, state=OrderState.CLOSED)

    def books(self) -> Books:
        """Everything that is kept."""
        return self.store.books()

    @initialize(data=st.data())
    def some_pay_before_anything_else_happens(self, data: st.DataObject) -> None:
        for number in range(data.draw(st.integers(0, 3))):
            order = data.draw(orders(number))
            self.put_order(order)
            payment = PayOrder(order.user_id, order.out_trade_no, order.amount_fen, f"wx-{order.out_trade_no}", BEGIN)
            self._remember([payment], self.write([payment]))

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: len(self.store.orders) < _ORDERS_MAX)
    @rule(data=st.data())
    def an_order_is_placed(self, data: st.DataObject) -> None:
        self.put_order(data.draw(orders(len(self.store.orders))))

    @precondition(lambda self: self.store.orders)
    @rule(data=st.data())
    def an_order_is_closed(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.store.orders.values())))
        if order.state is OrderState.CREATED:
            self.close_order(order)

    @rule(data=st.data())
    def a_batch_is_written(self, data: st.DataObject) -> None:
        batch = self._draw_batch(data)
        self._remember(batch, self.write(batch))

    @rule(data=st.data())
    def one_write_is_done_or_changes_nothing(self, data: st.DataObject) -> None:
        (operation,) = self._draw_batch(data, size_max=1)
        before = self.store.books()
        (outcome,) = self.write([operation])
        self._remember([operation], [outcome])
        if not isinstance(outcome, Result) or not outcome.fresh:
            assert self.store.books() == before

    @rule(data=st.data())
    def a_commit_is_lost(self, data: st.DataObject) -> None:
        batch = self._draw_batch(data)
        before = self.books()
        self.lose(batch)
        assert self.books() == before
        self.unanswered += batch

    @rule(data=st.data())
    def an_answer_is_lost(self, data: st.DataObject) -> None:
        batch = self._draw_batch(data)
        self._remember(batch, self.write(batch))
        self.unanswered += batch

    @precondition(lambda self: self.unanswered)
    @rule()
    def what_was_not_answered_is_tried_again(self) -> None:
        batch, self.unanswered = self.unanswered, []
        known = [operation for operation, _ in self.done]
        outcomes = self.write(batch)
        for operation, outcome in zip(batch, outcomes, strict=True):
            if operation in known and self._repeatable(operation):
                assert isinstance(outcome, Result)
                assert not outcome.fresh
        self._remember(batch, outcomes)

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def something_done_is_repeated(self, data: st.DataObject) -> None:
        operation, first = data.draw(st.sampled_from(self.done))
        if not self._repeatable(operation):
            return
        before = self.store.books()
        (again,) = self.write([operation])
        assert isinstance(again, Result)
        assert not again.fresh
        assert isinstance(operation, OpenWallet) or again.amount == first.amount
        assert self.store.books() == before

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def something_done_is_contradicted(self, data: st.DataObject) -> None:
        operation, _ = data.draw(st.sampled_from(self.done))
        other = contradiction(operation)
        if other is None:
            return
        before = self.store.books()
        (outcome,) = self.write([other])
        assert isinstance(outcome, RequestConflictError)
        assert self.store.books() == before

    @rule(user=users, data=st.data())
    def a_turn_is_refused_only_when_it_cannot_be_afforded(self, user: str, data: st.DataObject) -> None:
        if user not in self.store.wallets:
            return
        available = self.store.wallets[user].available
        turn = data.draw(reserves(st.just(user), st.just(f"new{len(self.store.reservations)}")))
        (outcome,) = self.write([turn])
        affordable = turn.price.worst_case(turn.input_tokens, turn.max_output_tokens) <= available
        assert affordable == isinstance(outcome, Result)
        assert affordable == (not isinstance(outcome, InsufficientQuotaError))

    @rule(user=users, data=st.data())
    def a_charge_is_refused_only_when_it_cannot_be_afforded(self, user: str, data: st.DataObject) -> None:
        if user not in self.store.wallets:
            return
        before = self.store.wallets[user]
        charge = data.draw(charges(st.just(user), st.just(f"new{len(self.store.reservations)}")))
        (outcome,) = self.write([charge])
        cost = charge.price.cost(charge.usage)
        if cost <= before.available:
            assert isinstance(outcome, Result)
            assert outcome.wallet == replace(before, balance=before.balance - cost)
        else:
            assert isinstance(outcome, InsufficientQuotaError)

    @rule(data=st.data(), whole=st.booleans())
    def a_refund_is_refused_only_when_it_is_more_than_is_left(self, data: st.DataObject, whole: bool) -> None:
        paid = [order for order in self.store.orders.values() if order.paid_at is not None]
        if not paid:
            return
        order = data.draw(st.sampled_from(paid))
        left_fen = left_of_topups(self.store.books(), order.user_id)[order.out_trade_no] // MICROS_PER_FEN
        fen = 0 if whole else data.draw(st.integers(1, left_fen + 1))
        number = f"{order.out_trade_no}refundnew{len(self.store.refunds)}"
        (outcome,) = self.write([HoldRefund(order.user_id, number, "r", order.out_trade_no, fen, "why")])
        if isinstance(outcome, Result):
            assert 0 < outcome.amount == (fen or left_fen) * MICROS_PER_FEN <= left_fen * MICROS_PER_FEN
        else:
            assert isinstance(outcome, RefundTooLargeError)
            assert outcome.metadata == {"refundable_fen": str(left_fen)}
            assert fen > left_fen or not left_fen

    @rule()
    def overdue_reservations_are_swept(self) -> None:
        for key, item in list(self.store.reservations.items()):
            if item.state is State.RESERVED and item.expires_at <= self.now:
                (outcome,) = self.write([Expire(*key)])
                assert isinstance(outcome, Result)

    @invariant()
    def the_books_are_sound(self) -> None:
        assert_sound(self.books())

    def _draw_batch(self, data: st.DataObject, size_max: int = 6) -> list[Operation]:
        store = self.store
        known = operations(list(store.reservations.values()), list(store.orders.values()), list(store.refunds.values()))
        return data.draw(st.lists(known, min_size=1, max_size=size_max))

    def _remember(self, batch: Sequence[Operation], outcomes: Outcomes) -> None:
        for operation, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Result):
                self.done.append((operation, outcome))

    def _repeatable(self, operation: Operation) -> bool:
        """Whether it would still be answered as at first: a refund that was abnormal may have ended since."""
        if isinstance(operation, EndRefund) and operation.end is RefundEnd.ABNORMAL:
            return self.store.refunds[operation.request_id].closed_at is None
        return True
