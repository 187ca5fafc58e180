"""What a ledger holds, read out whole, and everything that must always be true of it.

The same checks serve the fake in memory and the tables in PostgreSQL. They recompute from what is documented, and call
none of the code that they check.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.billing.chain import Head, Link
from services.billing.domain import (
    CLEARING,
    Grant,
    Key,
    Kind,
    Reservation,
    State,
    Transfer,
    Wallet,
    wallet_account,
)
from services.billing.payments.domain import MICROS_PER_FEN, Order, OrderState, Refund, RefundState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAID = (OrderState.PAID, OrderState.REFUNDED)
_UNDER_WAY = (RefundState.HELD, RefundState.ABNORMAL)
_CHARGED = (State.SETTLED, State.REVERSED)


@dataclass(frozen=True)
class Entry:
    """A line of the journal."""

    transfer: Transfer
    at: datetime
    link: Link


@dataclass(frozen=True)
class Books:
    """Everything a ledger holds; `entries` in the order in which they were added."""

    wallets: Mapping[str, Wallet]
    reservations: Mapping[Key, Reservation]
    grants: Mapping[Key, Grant]
    orders: Mapping[str, Order]
    refunds: Mapping[str, Refund]
    entries: Sequence[Entry]
    heads: Mapping[int, Head]

    @property
    def accounts(self) -> Mapping[str, int]:
        """Every account's balance by the journal: credits less debits."""
        accounts: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            accounts[entry.transfer.debit_account] -= entry.transfer.amount
            accounts[entry.transfer.credit_account] += entry.transfer.amount
        return accounts

    def moved(self, *kinds: Kind) -> dict[Key, int]:
        """What requests moved for some reasons, once each."""
        found = [entry.transfer for entry in self.entries if entry.transfer.kind in kinds]
        moved = {(transfer.user_id, transfer.request_id): transfer.amount for transfer in found}
        assert len(moved) == len(found), "a request moved money twice"
        return moved


def assert_sound(books: Books) -> None:
    """Check every invariant of the ledger."""
    _assert_journal_balances_and_projects(books)
    _assert_chains_hold(books)
    _assert_turns_are_charged_once(books)
    _assert_reserved_is_what_waits(books)
    _assert_orders_and_refunds_are_booked(books)
    _assert_refundable_is_what_is_left(books)


def documented_sha256(before: bytes, chain_id: int, position: int, transfer: Transfer, at: datetime) -> bytes:
    """The hash of an entry, by the text that chain.py documents."""
    text = f"{before.hex()}\n{chain_id}\n{position}\n{transfer.kind.value}\n{transfer.debit_account}\n"
    text += f"{transfer.credit_account}\n{transfer.amount}\n"
    if transfer.wallet_balance is not None:
        text += f"{transfer.wallet_balance}\n"
    micros = (at - _EPOCH) // timedelta(microseconds=1)
    return hashlib.sha256(f"{text}{transfer.user_id}\n{transfer.request_id}\n{micros}".encode()).digest()


def left_of_topups(books: Books, user_id: str) -> dict[str, int]:
    """What is left of each top-up in micro-yuan: what is available belongs to the newest ones."""
    under_way: dict[str, int] = defaultdict(int)
    for refund in books.refunds.values():
        if refund.state in _UNDER_WAY:
            under_way[refund.out_trade_no] += refund.amount_fen * MICROS_PER_FEN
    paid = [order for order in books.orders.values() if order.user_id == user_id and order.paid_at is not None]
    available = books.wallets[user_id].available
    left = {}
    for order in sorted(paid, key=lambda order: (order.paid_at, order.out_trade_no), reverse=True):
        number = order.out_trade_no
        kept = (order.amount_fen - order.refunded_fen) * MICROS_PER_FEN - under_way[number]
        left[number] = min(kept, available)
        available -= left[number]
    return left


def _assert_journal_balances_and_projects(books: Books) -> None:
    accounts = books.accounts
    assert sum(accounts.values()) == 0
    running: dict[str, int] = defaultdict(int)
    for entry in books.entries:
        transfer = entry.transfer
        assert transfer.amount > 0
        wallet = wallet_account(transfer.user_id)
        signs = {transfer.debit_account: -1, transfer.credit_account: 1}
        assert not any(name.startswith("wallet:") and name != wallet for name in signs), "another user's money"
        if wallet not in signs:
            assert transfer.wallet_balance is None
            continue
        running[transfer.user_id] += signs[wallet] * transfer.amount
        assert transfer.wallet_balance == running[transfer.user_id] >= 0
    for user_id, held in books.wallets.items():
        assert held.balance == accounts.get(wallet_account(user_id), 0)
        assert held.reserved >= 0
        assert held.available >= 0
    assert set(running) <= set(books.wallets)


def _assert_chains_hold(books: Books) -> None:
    heads: dict[int, Head] = {}
    for entry in sorted(books.entries, key=lambda entry: (entry.link.chain_id, entry.link.position)):
        chain_id, position = entry.link.chain_id, entry.link.position
        head = heads.get(chain_id, Head(chain_id))
        assert position == head.length + 1, "an entry is missing, or was slipped in"
        assert entry.link.sha256 == documented_sha256(head.sha256, chain_id, position, entry.transfer, entry.at)
        heads[chain_id] = Head(chain_id, position, entry.link.sha256)
    assert heads == {chain_id: head for chain_id, head in books.heads.items() if head.length}


def _assert_turns_are_charged_once(books: Books) -> None:
    charged, cost, reversed_ = books.moved(Kind.TURN), books.moved(Kind.COST), books.moved(Kind.REVERSAL)
    assert set(charged) | set(cost) | set(reversed_) <= set(books.reservations)
    for key, turn in books.reservations.items():
        assert (turn.charged or 0) == charged.get(key, 0) <= turn.amount
        assert (turn.provider_cost or 0) == cost.get(key, 0)
        assert (turn.state in _CHARGED) == (turn.charged is not None) == (turn.provider_cost is not None)
        assert (turn.state is State.RESERVED) == (turn.closed_at is None)
        assert reversed_.get(key, 0) == (turn.charged if turn.state is State.REVERSED else 0)
    given = {key: grant.amount for key, grant in books.grants.items() if grant.amount}
    assert books.moved(Kind.GRANT, Kind.TRIAL) == given


def _assert_reserved_is_what_waits(books: Books) -> None:
    waiting: dict[str, int] = defaultdict(int)
    for turn in books.reservations.values():
        if turn.state is State.RESERVED:
            waiting[turn.user_id] += turn.amount
    for refund in books.refunds.values():
        if refund.state in _UNDER_WAY:
            waiting[refund.user_id] += refund.amount_fen * MICROS_PER_FEN
    for user_id, wallet in books.wallets.items():
        assert wallet.reserved == waiting.pop(user_id, 0)
    assert not waiting


def _assert_orders_and_refunds_are_booked(books: Books) -> None:
    paid = {(o.user_id, o.out_trade_no): o.amount_fen * MICROS_PER_FEN for o in books.orders.values() if o.paid_at}
    assert books.moved(Kind.TOPUP) == paid
    done = [refund for refund in books.refunds.values() if refund.state is RefundState.DONE]
    given_back = {(refund.user_id, refund.out_refund_no): refund.amount_fen * MICROS_PER_FEN for refund in done}
    assert books.moved(Kind.REFUND) == given_back
    assert books.accounts.get(CLEARING, 0) == sum(given_back.values()) - sum(paid.values())
    for number, order in books.orders.items():
        mine = [refund for refund in books.refunds.values() if refund.out_trade_no == number]
        assert all(refund.user_id == order.user_id for refund in mine)
        assert order.refunded_fen == sum(refund.amount_fen for refund in mine if refund.state is RefundState.DONE)
        under_way = sum(refund.amount_fen for refund in mine if refund.state in _UNDER_WAY)
        assert order.refunded_fen + under_way <= (order.amount_fen if order.paid_at else 0)
        assert (order.state in _PAID) == (order.paid_at is not None)
        assert (order.state is OrderState.REFUNDED) == (order.refunded_fen == order.amount_fen)


def _assert_refundable_is_what_is_left(books: Books) -> None:
    for user_id, wallet in books.wallets.items():
        left = left_of_topups(books, user_id)
        assert sum(left.values()) <= wallet.available
        assert all(amount >= 0 for amount in left.values())
