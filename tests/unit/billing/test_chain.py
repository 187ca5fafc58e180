"""The hash chain: anyone can recompute it, and nothing in it can be changed unseen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.chain import Head, Link, append, extend
from services.billing.domain import Kind, Transfer
from tests.ledger.books import documented_sha256

AT = datetime(2026, 11, 5, 12, 30, 15, 123_456, tzinfo=UTC)
TRANSFER = Transfer("promotions", "wallet:u", 1_000, Kind.GRANT, "u", "g", 1_000)

ids = st.text("abcABC-_019", min_size=1, max_size=8)
amounts = st.integers(1, 2**63 - 1)
transfers = st.builds(
    Transfer, ids, ids, amounts, st.sampled_from(list(Kind)), ids, ids, st.none() | st.integers(0, 2**63 - 1)
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # asked so
heads = st.builds(Head, st.integers(1, 9), st.integers(0, 2**62), st.binary(min_size=32, max_size=32))


def test_an_entry_that_was_hashed_by_hand() -> None:
    # printf '%064d\n1\n1\ngrant\npromotions\nwallet:u\n1000\n1000\nu\ng\n1793881815123456' 0 | sha256sum
    link = append(Head(chain_id=1), TRANSFER, AT)
    assert link == Link(1, 1, bytes.fromhex("ae3e28712b789a84efe56e802c2e617e49108e89a209438206f315d4c83e338f"))


@given(heads, transfers, moments)
def test_the_hash_is_over_the_documented_text(head: Head, transfer: Transfer, at: datetime) -> None:
    link = append(head, transfer, at)
    assert (link.chain_id, link.position) == (head.chain_id, head.length + 1)
    assert link.sha256 == documented_sha256(head.sha256, head.chain_id, head.length + 1, transfer, at)


CHANGES: list[Callable[[Transfer], Transfer]] = [
    lambda entry: replace(entry, amount=entry.amount + 1),
    lambda entry: replace(entry, debit_account="revenue"),
    lambda entry: replace(entry, credit_account="wallet:v"),
    lambda entry: replace(entry, kind=Kind.TRIAL),
    lambda entry: replace(entry, user_id="v"),
    lambda entry: replace(entry, request_id="h"),
    lambda entry: replace(entry, wallet_balance=1_001),
    lambda entry: replace(entry, wallet_balance=None),
    # The same letters, divided otherwise.
    lambda entry: replace(entry, user_id="ug", request_id=""),
]


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_an_entry_changes_its_hash_and_every_later_one(change: Callable[[Transfer], Transfer]) -> None:
    entries = [replace(TRANSFER, request_id="first"), TRANSFER, replace(TRANSFER, request_id="last")]
    honest, _ = extend(Head(1), entries, AT)
    forged, _ = extend(Head(1), [entries[0], change(TRANSFER), entries[2]], AT)
    assert [a == b for a, b in zip(honest, forged, strict=True)] == [True, False, False]


@pytest.mark.parametrize("forged_at", [AT + timedelta(microseconds=1), AT - timedelta(days=1)])
def test_another_time_is_another_hash(forged_at: datetime) -> None:
    assert append(Head(1), TRANSFER, AT).sha256 != append(Head(1), TRANSFER, forged_at).sha256


def test_the_same_entry_elsewhere_is_another_hash() -> None:
    hashes = {append(head, TRANSFER, AT).sha256 for head in (Head(1), Head(2), Head(1, 1), Head(1, 0, b"x" * 32))}
    assert len(hashes) == 4


@given(st.lists(transfers, min_size=2, max_size=6, unique=True), st.data())
def test_an_entry_that_is_removed_or_moved_is_missed(entries: list[Transfer], data: st.DataObject) -> None:
    links, head = extend(Head(1), entries, AT)
    assert head == Head(1, len(entries), links[-1].sha256)
    missing = data.draw(st.integers(0, len(entries) - 1))
    assert extend(Head(1), entries[:missing] + entries[missing + 1 :], AT)[1] != head
    assert extend(Head(1), entries[::-1], AT)[1] != head


@given(heads, st.lists(transfers, max_size=5), st.lists(transfers, max_size=5))
def test_a_chain_is_the_same_however_its_entries_are_batched(
    head: Head, first: list[Transfer], second: list[Transfer]
) -> None:
    some, between = extend(head, first, AT)
    more, end = extend(between, second, AT)
    assert (some + more, end) == extend(head, first + second, AT)
