"""Whatever honest history is written verifies clean, and no single change of it does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.billing import chain
from services.billing.books.domain import Check, Costs, Finding
from services.billing.books.journal import FINDINGS_MAX, Findings, JournalCheck
from services.billing.chain import Head, Link
from services.billing.domain import PROMOTIONS, PROVIDER_COST, PROVIDERS, REVENUE, Kind, Transfer, wallet_account

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
