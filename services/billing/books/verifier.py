"""Proves the ledger, in one snapshot of the database."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import asyncpg

from services.billing import rows
from services.billing.books import sql
from services.billing.books.domain import Check, Verification
from services.billing.books.journal import FINDINGS_MAX, Findings, JournalCheck, check_turn
from services.billing.chain import Head, Link
from services.billing.domain import Kind, Transfer
from services.runtime.errors import UnavailableError
from services.runtime.postgres import AWAY, Connection

# Rows that are checked without a pause. Turns are served by the same event loop, and wait for no more than these.
_PREFETCH = 200
# Everything is read: a large ledger takes its time.
_TIMEOUT_S = 1_800.0
# The sweeper frees what is overdue within seconds.
_ORPHAN_AFTER_S = 60.0

_KINDS = frozenset(Kind)


class Verifier:
    """Reads everything and trusts no projection."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read from this pool."""
        self._pool = pool

    async def verify(self) -> Verification:
        """Verify, whoever else does.

        Raises:
            UnavailableError: The database does not answer.
        """
        async with self._snapshot() as connection:
            # Held where it is free, so that nothing begins in the background meanwhile.
            await connection.fetchval(sql.TRY_LOCK)
            return await _verify(connection)

    async def verify_unless_running(self) -> Verification | None:
        """Verify; None when another process does so now.

        Raises:
            UnavailableError: The database does not answer.
        """
        async with self._snapshot() as connection:
            return await _verify(connection) if await connection.fetchval(sql.TRY_LOCK) else None

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        try:
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection
        except AWAY:
            raise UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1) from None


async def _verify(connection: Connection) -> Verification:
    findings = Findings()
    journal = JournalCheck(findings)
    async for row in _every(connection, sql.TRANSFERS_BY_CHAIN):
        if row["kind"] not in _KINDS:
            findings.add(Check.BALANCE, f"transfer {row['id']}", "Its kind is not one of the ledger's.")
            continue
        link = Link(row["chain_id"], row["position"], row["sha256"])
        journal.feed(row["id"], _transfer(row), link, row["created_at"])
    heads = {row["chain_id"]: rows.head(row) for row in await connection.fetch(sql.CHAINS, timeout=_TIMEOUT_S)}
    journal.end(heads)
    await _projections(connection, findings)
    async for row in _every(connection, sql.CHARGED_TURNS):
        check_turn(rows.reservation(row), findings)
    await _records(connection, findings)
    return Verification(
        transfers=journal.entries,
        wallets=await connection.fetchval(sql.WALLETS_COUNT, timeout=_TIMEOUT_S),
        balances=dict(journal.balances),
        heads=tuple((head.chain_id, head.length, head.sha256) for head in _sorted(heads)),
        findings=findings.all,
    )


async def _every(connection: Connection, query: str) -> AsyncIterator[asyncpg.Record]:
    # asyncpg counts its names by process: behind a pooler another one's may be on the same connection.
    statement = await connection.prepare(query, name=f"verify_{secrets.token_hex(8)}", timeout=_TIMEOUT_S)
    async for row in statement.cursor(prefetch=_PREFETCH, timeout=_TIMEOUT_S):
        yield row


async def _projections(connection: Connection, findings: Findings) -> None:
    for row in await connection.fetch(sql.RUNNING_BALANCES, FINDINGS_MAX, timeout=_TIMEOUT_S):
        findings.add(
            Check.PROJECTION,
            f"transfer {row['id']}",
            f"Wallet {row['user_id']} is said to have {row['wallet_balance_micros']} after it, "
            f"not {_said(row['expected'])}.",
        )
    for row in await connection.fetch(sql.WALLET_BALANCES, FINDINGS_MAX, timeout=_TIMEOUT_S):
        findings.add(
            Check.PROJECTION,
            f"wallet {row['user_id']}",
            f"The balance is {_said(row['balance_micros'])} and the journal says {_said(row['expected'])}.",
        )
    for row in await connection.fetch(sql.WALLET_RESERVES, FINDINGS_MAX, timeout=_TIMEOUT_S):
        findings.add(
            Check.PROJECTION,
            f"wallet {row['user_id']}",
            f"{_said(row['reserved_micros'])} is reserved and open turns and refunds need {_said(row['expected'])}.",
        )
    for row in await connection.fetch(sql.ORPHANS, FINDINGS_MAX, _ORPHAN_AFTER_S, timeout=_TIMEOUT_S):
        findings.add(
            Check.RESERVATION,
            f"reservation {row['user_id']}/{row['request_id']}",
            f"It is open although it expired at {row['expires_at'].isoformat()}: does the sweeper run?",
        )


async def _records(connection: Connection, findings: Findings) -> None:
    for row in await connection.fetch(sql.RECORDS, FINDINGS_MAX, timeout=_TIMEOUT_S):
        expected, moved = _amount(row["expected"]), _amount(row["moved"])
        if moved is None:
            message = f"The journal has no {row['kind']} of {expected} for it."
        elif expected is None:
            message = f"The journal moved a {row['kind']} of {moved} and there is no record of it."
        else:
            message = f"The journal moved a {row['kind']} of {moved} and the record says {expected}."
        findings.add(Check.RECORD, f"request {row['user_id']}/{row['request_id']}", message)
    for row in await connection.fetch(sql.REFUNDED, FINDINGS_MAX, timeout=_TIMEOUT_S):
        findings.add(
            Check.RECORD,
            f"order {row['out_trade_no']}",
            f"It says that {row['refunded_fen']} fen were refunded, its refunds say {_said(row['expected'])}.",
        )


def _transfer(row: asyncpg.Record) -> Transfer:
    return Transfer(
        row["debit_account"],
        row["credit_account"],
        row["amount_micros"],
        Kind(row["kind"]),
        row["user_id"],
        row["request_id"],
        row["wallet_balance_micros"],
    )


def _sorted(heads: Mapping[int, Head]) -> list[Head]:
    return [heads[chain_id] for chain_id in sorted(heads)]


def _said(amount: int | Decimal | None) -> str:
    return "missing" if amount is None else str(int(amount))


def _amount(sum_: Decimal | None) -> int | None:
    """A sum of PostgreSQL's, which would be written as 1E+7."""
    return None if sum_ is None else int(sum_)
