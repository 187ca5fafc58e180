"""The verifier finds whatever somebody with all rights does to the tables."""

import asyncio

import pytest

from services.billing.books.domain import Check, Verification
from services.billing.books.verifier import Verifier
from services.billing.domain import Source
from services.billing.operations import GrantCredit, OpenWallet, Settle
from services.billing.pricing import Usage
from services.runtime.errors import UnavailableError
from tests.integration.billing.books.conftest import History, Pool


async def verified(pool: Pool) -> Verification:
    return await Verifier(pool).verify()


async def tamper(pool: Pool, *statements: str) -> None:
    """Do what only the database's owner can."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def test_an_empty_ledger_is_clean(pool: Pool) -> None:
    found = await verified(pool)
    assert found.ok
    assert (found.transfers, found.wallets, set(found.balances.values())) == (0, 0, {0})


async def test_a_ledger_with_some_history_is_clean_and_adds_up_to_zero(history: History) -> None:
    found = await verified(history.pool)
    assert found.findings == ()
    assert found.wallets == 2
    assert sum(found.balances.values()) == 0
    assert found.balances["promotions"] == -2_500_000
    assert found.balances["clearing"] == -7 * 1_000_000
    # 400 cached tokens are half as dear; the cached answer cost nobody anything; the failed turn cost us its 20.
    assert found.balances["provider_cost"] == -(600 + 200 + 500 + 1_000 + 20)
    assert found.balances["providers"] == -found.balances["provider_cost"]
    # A fifth more than their cost, and 2,400 for the cached answer; the failed turn was given back.
    assert found.balances["revenue"] == (1_300 + 1_000) * 12 // 10 + 2_400
    assert await history.pool.fetchval("SELECT count(*) FROM transfers") == found.transfers
    assert [length for _, length, _ in found.heads] == [found.transfers]


@pytest.mark.parametrize(
    ("check", "statement"),
    [
        (Check.CHAIN, "UPDATE transfers SET amount_micros = amount_micros + 1 WHERE kind = 'grant'"),
        (Check.CHAIN, "UPDATE transfers SET created_at = created_at + interval '1 microsecond' WHERE kind = 'topup'"),
        (Check.CHAIN, "UPDATE transfers SET user_id = 'bo' WHERE kind = 'cost'"),
        (Check.CHAIN, "DELETE FROM transfers WHERE kind = 'grant'"),
        (Check.CHAIN, "DELETE FROM transfers WHERE position = (SELECT max(position) FROM transfers)"),
        (Check.CHAIN, "UPDATE chains SET length = length - 1"),
        (Check.CHAIN, "UPDATE chains SET sha256 = sha256(sha256)"),
        (Check.CHAIN, "DELETE FROM chains"),
        (Check.CHAIN, "UPDATE transfers SET position = 1000 WHERE position = 2"),
        # Two entries that changed places, and an entry that was slipped in.
        (
            Check.CHAIN,
            "UPDATE transfers SET position = -position WHERE kind IN ('topup', 'refund');"
            "UPDATE transfers AS one SET position = -other.position, sha256 = other.sha256 FROM transfers AS other"
            " WHERE (one.kind, other.kind) IN (('topup', 'refund'), ('refund', 'topup'))",
        ),
        (
            Check.CHAIN,
            "INSERT INTO transfers (debit_account, credit_account, amount_micros, kind, user_id, request_id,"
            " wallet_balance_micros, chain_id, position, sha256)"
            " SELECT 'promotions', 'wallet:bo', 9, 'grant', 'bo', 'x', 1000009, 1, length + 1, sha256 FROM chains",
        ),
        (
            Check.BALANCE,
            "UPDATE transfers SET credit_account = 'wallet:bo' WHERE kind = 'topup'",
        ),
        (Check.BALANCE, "UPDATE transfers SET debit_account = 'revenue' WHERE kind = 'grant'"),
        (Check.BALANCE, "UPDATE transfers SET wallet_balance_micros = NULL WHERE kind = 'grant'"),
        (Check.PROJECTION, "UPDATE wallets SET balance_micros = balance_micros + 1 WHERE user_id = 'bo'"),
        (Check.PROJECTION, "UPDATE wallets SET reserved_micros = 0 WHERE user_id = 'ann'"),
        (Check.PROJECTION, "DELETE FROM wallets WHERE user_id = 'bo'"),
        (Check.PROJECTION, "UPDATE transfers SET wallet_balance_micros = -1 WHERE kind = 'refund'"),
        (
            Check.PROJECTION,
            "UPDATE transfers SET wallet_balance_micros = wallet_balance_micros + 1 WHERE kind = 'turn'",
        ),
        (Check.RESERVATION, "UPDATE reservations SET expires_at = now() - interval '1 hour' WHERE state = 'reserved'"),
        (Check.RESERVATION, "UPDATE reservations SET used_output_tokens = 1 WHERE request_id = 't0'"),
        (Check.RESERVATION, "UPDATE reservations SET used_input_tokens = NULL WHERE request_id = 't0'"),
        (Check.RESERVATION, "UPDATE reservations SET cny_micros_per_usd = 7100000 WHERE request_id = 't0'"),
        (Check.RESERVATION, "UPDATE reservations SET lost_input_tokens = 7 WHERE request_id = 't2'"),
        (Check.RESERVATION, "UPDATE reservations SET source = 'cache' WHERE request_id = 't0'"),
        (Check.RESERVATION, "UPDATE reservations SET own_model = true WHERE request_id = 't0'"),
        (Check.RECORD, "UPDATE reservations SET charged_micros = charged_micros - 1 WHERE request_id = 't0'"),
        (Check.RECORD, "UPDATE reservations SET provider_cost_micros = 0 WHERE request_id = 't0'"),
        (Check.RECORD, "UPDATE reservations SET state = 'settled' WHERE state = 'reversed'"),
        (Check.RECORD, "DELETE FROM reservations WHERE request_id = 't1'"),
        (Check.RECORD, "DELETE FROM grants WHERE request_id = 'gift'"),
        (Check.RECORD, "UPDATE orders SET amount_fen = 999"),
        (Check.RECORD, "UPDATE refunds SET amount_fen = 299 WHERE state = 'done'"),
        (Check.RECORD, "UPDATE orders SET refunded_fen = 0"),
    ],
)
async def test_tampering_is_found_and_named(history: History, check: Check, statement: str) -> None:
    await tamper(history.pool, statement)
    found = await verified(history.pool)
    assert check in {finding.check for finding in found.findings}, found.findings
    assert all(finding.subject and finding.message.endswith((".", "?")) for finding in found.findings)
    # Amounts are whole: a sum of PostgreSQL's would be written as 1E+6.
    assert not any("E+" in finding.message for finding in found.findings), found.findings


async def test_a_call_that_was_given_up_is_proved_from_what_is_stored(history: History) -> None:
    await history.write(Settle("ann", "t5", Usage(500, 100), "completed", Source.CACHE, lost=Usage(500, 0)))
    found = await verified(history.pool)
    assert found.findings == ()
    assert found.balances["provider_cost"] == -(2_320 + 500)
    await tamper(
        history.pool,
        "UPDATE reservations SET provider_cost_micros = 0, lost_input_tokens = 0 WHERE request_id = 't5'",
    )
    assert {finding.check for finding in (await verified(history.pool)).findings} == {Check.RECORD}


async def test_a_chain_that_vanished_whole_is_missed_in_wallets_and_records(history: History) -> None:
    await tamper(history.pool, "DELETE FROM transfers", "DELETE FROM chains")
    found = await verified(history.pool)
    assert {finding.check for finding in found.findings} == {Check.PROJECTION, Check.RECORD}


async def test_what_was_tampered_with_is_named(history: History) -> None:
    entry = await history.pool.fetchval("SELECT id FROM transfers WHERE kind = 'grant'")
    await tamper(
        history.pool,
        "UPDATE transfers SET amount_micros = 600000 WHERE kind = 'grant'",
        "UPDATE wallets SET balance_micros = 1000007 WHERE user_id = 'bo'",
    )
    told = {(finding.check, finding.subject) for finding in (await verified(history.pool)).findings}
    assert {
        (Check.CHAIN, f"transfer {entry}"),
        (Check.PROJECTION, f"transfer {entry}"),
        (Check.PROJECTION, "wallet bo"),
        (Check.RECORD, "request ann/gift"),
    } <= told


async def test_whoever_keeps_a_head_can_prove_that_a_whole_history_was_rewritten(history: History) -> None:
    before = (await verified(history.pool)).heads
    await history.write(GrantCredit("bo", "g", 1, ""))
    after = (await verified(history.pool)).heads
    assert after != before
    assert after[0][1] == before[0][1] + 1


async def test_writers_at_the_same_moment_extend_chains_of_their_own(history: History) -> None:
    await asyncio.gather(*(history.write(OpenWallet(f"u{n}", 10)) for n in range(24)))
    found = await verified(history.pool)
    assert found.findings == ()
    assert sum(length for _, length, _ in found.heads) == found.transfers


async def test_the_verifier_sees_one_moment_while_others_write(history: History) -> None:
    async def write() -> None:
        for number in range(40):
            await history.write(GrantCredit("bo", f"g{number}", 7, ""))

    writing = asyncio.create_task(write())
    while not writing.done():
        assert (await verified(history.pool)).ok
    await writing


async def test_of_two_processes_only_one_verifies_in_the_background(history: History) -> None:
    async with history.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('billing.verify'))")
        assert await Verifier(history.pool).verify_unless_running() is None
        # Whoever asks is answered nevertheless.
        assert (await Verifier(history.pool).verify()).ok


async def test_at_most_a_hundred_findings_of_a_kind_are_told(history: History) -> None:
    await history.write(*(OpenWallet(f"u{n}", 1) for n in range(150)))
    await tamper(history.pool, "UPDATE wallets SET balance_micros = balance_micros + 1")
    found = await verified(history.pool)
    assert len(found.findings) == 100


async def test_a_database_that_is_away_is_said_to_be(history: History) -> None:
    await history.pool.close()
    with pytest.raises(UnavailableError):
        await Verifier(history.pool).verify()
