"""Whatever honest history is written verifies clean, and no single change of it does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.billing import chain
from services.billing.books.domain import Check, Costs, Finding
from services.billing.books.journal import FINDINGS_MAX, Findings, JournalCheck, check_turn
from services.billing.chain import Head, Link
from services.billing.domain import (
    PROMOTIONS,
    PROVIDER_COST,
    PROVIDERS,
    REVENUE,
    Kind,
    Reservation,
    Source,
    State,
    Transfer,
    wallet_account,
)
from services.billing.pricing import Price, Usage

Row = tuple[int, Transfer, Link, datetime]

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], dict[int, Head]]:
    """Grants and turns of a few users on a few chains."""
    rows: list[Row] = []
    heads: dict[int, Head] = {}
    balances: dict[str, int] = {}
    for number in range(1, draw(st.integers(1, 12)) + 1):
        user = draw(st.sampled_from(["ann", "bo"]))
        amount = draw(st.integers(1, 10**12))
        kind = draw(st.sampled_from([Kind.GRANT, Kind.COST, Kind.TURN]))
        wallet = wallet_account(user)
        if kind is Kind.COST:
            transfer = Transfer(PROVIDER_COST, PROVIDERS, amount, kind, user, str(number))
        else:
            if balances.get(user, 0) < amount:
                # Nobody spends what is not there.
                kind = Kind.GRANT
            balances[user] = balances.get(user, 0) + (amount if kind is Kind.GRANT else -amount)
            debit, credit = (PROMOTIONS, wallet) if kind is Kind.GRANT else (wallet, REVENUE)
            transfer = Transfer(debit, credit, amount, kind, user, str(number), balances[user])
        chain_id = draw(st.integers(1, 2))
        at = _BEGIN + timedelta(microseconds=draw(st.integers(0, 10**9)))
        link = chain.append(heads.get(chain_id, Head(chain_id)), transfer, at)
        heads[chain_id] = Head(chain_id, link.position, link.sha256)
        rows.append((number, transfer, link, at))
    return sorted(rows, key=lambda row: (row[2].chain_id, row[2].position)), heads


def check(rows: list[Row], heads: dict[int, Head]) -> tuple[Finding, ...]:
    findings = Findings()
    journal = JournalCheck(findings)
    for row in rows:
        journal.feed(*row)
    journal.end(heads)
    return findings.all


@given(histories())
def test_an_honest_history_is_clean(history: tuple[list[Row], dict[int, Head]]) -> None:
    assert check(*history) == ()


@given(histories(), st.data())
def test_no_change_of_an_entry_goes_unseen(history: tuple[list[Row], dict[int, Head]], data: st.DataObject) -> None:
    rows, heads = history
    at = data.draw(st.integers(0, len(rows) - 1))
    entry, transfer, link, moment = rows[at]
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"amount": transfer.amount + 1},
                {"user_id": "cy"},
                {"request_id": "other"},
                {"debit_account": "revenue2"},
                {"wallet_balance": (transfer.wallet_balance or 0) + 1},
            ]
        )
    )
    rows[at] = (entry, replace(transfer, **change), link, moment)
    assert Check.CHAIN in {finding.check for finding in check(rows, heads)}


@given(histories(), st.data())
def test_no_removed_entry_goes_unseen(history: tuple[list[Row], dict[int, Head]], data: st.DataObject) -> None:
    rows, heads = history
    del rows[data.draw(st.integers(0, len(rows) - 1))]
    assert Check.CHAIN in {finding.check for finding in check(rows, heads)}


@given(histories())
def test_one_change_is_not_told_as_a_hundred(history: tuple[list[Row], dict[int, Head]]) -> None:
    rows, heads = history
    entry, transfer, link, moment = rows[0]
    rows[0] = (entry, transfer, replace(link, sha256=bytes(32)), moment)
    assert len(check(rows, heads)) <= 2


tokens = st.integers(0, 10_000_000)


@st.composite
def charged_turns(draw: st.DrawFn) -> Reservation:
    """A turn as the ledger's rules settle it: now and then its worst case is all that it can be charged."""
    micros = st.integers(0, 10**10)
    price = Price(
        draw(micros), draw(micros), draw(micros), draw(st.integers(0, 10**6)), draw(st.integers(10**6, 10**8))
    )
    used = draw(tokens)
    usage = Usage(used, draw(tokens), draw(st.integers(0, used)))
    amount = price.worst_case(draw(tokens), draw(tokens))
    return Reservation(
        user_id="ann",
        request_id="t",
        input_sha256=b"",
        model="m",
        input_tokens=used,
        max_output_tokens=usage.output,
        amount=amount,
        price=price,
        created_at=_BEGIN,
        expires_at=_BEGIN,
        state=State.SETTLED,
        usage=usage,
        charged=min(price.cost(usage), amount),
    )


def found_in(turn: Reservation) -> list[Check]:
    findings = Findings()
    check_turn(turn, findings)
    return [finding.check for finding in findings.all]


@given(charged_turns())
def test_a_turn_that_was_charged_what_it_used_is_clean(turn: Reservation) -> None:
    assert found_in(turn) == []


@given(charged_turns(), st.integers(-(10**9), 10**9).filter(bool))
def test_a_micro_yuan_more_or_less_than_a_turn_used_is_found(turn: Reservation, more: int) -> None:
    assert found_in(replace(turn, charged=(turn.charged or 0) + more)) == [Check.RESERVATION]


@given(charged_turns(), st.sampled_from(Source), tokens, st.integers(-(10**9), 10**9).filter(bool))
def test_a_cost_of_ours_that_its_tokens_do_not_come_to_is_found(
    turn: Reservation, source: Source, lost: int, more: int
) -> None:
    answer = 0 if source is Source.CACHE or turn.usage is None else turn.price.provider_cost(turn.usage)
    cost = answer + turn.price.provider_cost(Usage(lost, 0))
    known = replace(turn, source=source, lost=Usage(lost, 0), provider_cost=cost)
    assert found_in(known) == []
    assert found_in(replace(known, provider_cost=cost + more)) == [Check.RESERVATION]
    # Of what was settled before lost calls were recorded, only the journal can say what it cost.
    assert found_in(replace(known, lost=None, provider_cost=cost + more)) == []


@given(charged_turns())
def test_a_charge_without_tokens_is_found(turn: Reservation) -> None:
    assert found_in(replace(turn, usage=None)) == [Check.RESERVATION]


def test_a_wallet_below_zero_is_found() -> None:
    transfer = Transfer(wallet_account("ann"), REVENUE, 5, Kind.TURN, "ann", "t", -5)
    link = chain.append(Head(1), transfer, _BEGIN)
    found = check([(1, transfer, link, _BEGIN)], {1: Head(1, 1, link.sha256)})
    assert [finding.check for finding in found] == [Check.PROJECTION]


def test_findings_are_counted_by_check_and_told_up_to_a_bound() -> None:
    findings = Findings()
    for number in range(FINDINGS_MAX + 5):
        findings.add(Check.CHAIN, f"transfer {number}", "x")
    findings.add(Check.RECORD, "request", "y")
    assert len(findings.all) == FINDINGS_MAX + 1


def test_cost_per_thousand_is_the_documented_formula() -> None:
    example = Costs(10_000, 4_000, 1_000, provider_cost=1_800_000)
    assert example.per_thousand == 180_000
    assert Costs(3, 0, 0, provider_cost=1).per_thousand == 333
    assert Costs().per_thousand == 0
