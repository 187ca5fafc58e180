"""Reads the journal entry by entry, and charged turns one by one, and proves them. Pure.

The entries of all chains are fed in the order of chain and position; what is wrong is collected, at most a hundred
findings of each check.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from services.billing import chain
from services.billing.books.domain import Check, Finding
from services.billing.chain import Head, Link
from services.billing.domain import (
    CLEARING,
    PROMOTIONS,
    PROVIDER_COST,
    PROVIDERS,
    REVENUE,
    Kind,
    Reservation,
    Transfer,
    cost_to_us,
    wallet_account,
)

FINDINGS_MAX = 100

# What stands for all wallets in a sum over accounts.
WALLETS = "wallets"

# Debit and credit account of each kind; WALLETS is the wallet of the entry's user.
_ACCOUNTS: Mapping[Kind, tuple[str, str]] = {
    Kind.TRIAL: (PROMOTIONS, WALLETS),
    Kind.GRANT: (PROMOTIONS, WALLETS),
    Kind.TURN: (WALLETS, REVENUE),
    Kind.COST: (PROVIDER_COST, PROVIDERS),
    Kind.REVERSAL: (REVENUE, WALLETS),
    Kind.TOPUP: (CLEARING, WALLETS),
    Kind.REFUND: (WALLETS, CLEARING),
}


class Findings:
    """What is wrong so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._found: list[Finding] = []
        self._count: Counter[Check] = Counter()

    def add(self, check: Check, subject: str, message: str) -> None:
        """Add one, unless there are enough of its kind."""
        self._count[check] += 1
        if self._count[check] <= FINDINGS_MAX:
            self._found.append(Finding(check, subject, message))

    @property
    def all(self) -> tuple[Finding, ...]:
        """Everything that was added."""
        return tuple(self._found)


class JournalCheck:
    """Recomputes chains and sums."""

    def __init__(self, findings: Findings) -> None:
        """Report here."""
        self.balances: Counter[str] = Counter(dict.fromkeys((WALLETS, *_system_accounts()), 0))
        self.entries = 0
        self._findings = findings
        self._heads: dict[int, Head] = {}

    def feed(self, entry: int, transfer: Transfer, link: Link, at: datetime) -> None:
        """Take the next entry.

        Args:
            entry: Its number in the journal.
            transfer: What it moved.
            link: Its place and hash, as stored.
            at: Its time.
        """
        self.entries += 1
        subject = f"transfer {entry}"
        self._accounts(subject, transfer)
        self._chain(subject, transfer, link, at)

    def end(self, stored: Mapping[int, Head]) -> None:
        """Compare where the chains ended with where they are said to end."""
        for chain_id in sorted(stored.keys() | self._heads.keys()):
            said, found = stored.get(chain_id), self._heads.get(chain_id, Head(chain_id))
            subject = f"chain {chain_id}"
            if said is None:
                self._findings.add(Check.CHAIN, subject, "The chain has entries and no head: its row was removed.")
            elif said.length != found.length:
                self._findings.add(
                    Check.CHAIN,
                    subject,
                    f"The chain ends at {found.length}, its head says {said.length}: entries are missing.",
                )
            elif said.sha256 != found.sha256:
                self._findings.add(Check.CHAIN, subject, "The chain's head has another hash than its last entry.")
        if total := sum(self.balances.values()):
            self._findings.add(Check.BALANCE, "journal", f"All accounts add up to {total} micro-yuan instead of 0.")

    def _accounts(self, subject: str, transfer: Transfer) -> None:
        wallet = wallet_account(transfer.user_id)
        debit, credit = transfer.debit_account, transfer.credit_account
        self.balances[WALLETS if debit.startswith("wallet:") else debit] -= transfer.amount
        self.balances[WALLETS if credit.startswith("wallet:") else credit] += transfer.amount
        expected = tuple(wallet if account == WALLETS else account for account in _ACCOUNTS[transfer.kind])
        if (debit, credit) != expected or transfer.amount <= 0:
            self._findings.add(
                Check.BALANCE, subject, f"A {transfer.kind.value} of {transfer.amount} moves from {debit} to {credit}."
            )
        if (transfer.wallet_balance is None) == (wallet in expected):
            self._findings.add(Check.BALANCE, subject, "The wallet's balance after it is missing, or out of place.")
        if (transfer.wallet_balance or 0) < 0:
            self._findings.add(Check.PROJECTION, subject, f"It leaves wallet {transfer.user_id} below zero.")

    def _chain(self, subject: str, transfer: Transfer, link: Link, at: datetime) -> None:
        head = self._heads.get(link.chain_id, Head(link.chain_id))
        expected = chain.append(head, transfer, at)
        if link.position != expected.position:
            self._findings.add(
                Check.CHAIN, subject, f"Position {link.position} of chain {link.chain_id} follows {head.length}."
            )
        elif link.sha256 != expected.sha256:
            self._findings.add(
                Check.CHAIN,
                subject,
                "The entry or one before it was changed: its content gives another hash.",
            )
        # Goes on from what is stored, so that one change is one finding.
        self._heads[link.chain_id] = Head(link.chain_id, link.position, link.sha256)


def check_turn(turn: Reservation, findings: Findings) -> None:
    """Recompute what a charged turn costs its user and us from its tokens and its price."""
    subject = f"reservation {turn.user_id}/{turn.request_id}"
    if turn.usage is None:
        findings.add(Check.RESERVATION, subject, f"It was charged {turn.charged} and says no tokens.")
        return
    expected = min(turn.price.cost(turn.usage), turn.amount)
    if turn.charged != expected:
        findings.add(
            Check.RESERVATION, subject, f"It was charged {turn.charged}; its tokens and its price come to {expected}."
        )
    if turn.lost is None or turn.source is None:
        # Settled before lost calls were recorded: only the journal says what it cost us.
        return
    cost = cost_to_us(turn.price, turn.usage, turn.source, turn.lost)
    if turn.provider_cost != cost:
        findings.add(
            Check.RESERVATION, subject, f"It cost us {turn.provider_cost}; its tokens and its price come to {cost}."
        )


def _system_accounts() -> list[str]:
    return sorted({account for pair in _ACCOUNTS.values() for account in pair} - {WALLETS})
