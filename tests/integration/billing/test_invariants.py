"""The invariants that ledgers are examined by, each on real PostgreSQL; the fifteenth is in test_recovery.py."""

import asyncio
import random
from collections import defaultdict

import asyncpg
import pytest

from services.billing.books.verifier import Verifier
from services.billing.domain import CLEARING, PROMOTIONS, PROVIDER_COST, PROVIDERS, REVENUE, State, wallet_account
from services.billing.operations import (
    EndRefund,
    GrantCredit,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    RefundEnd,
    Release,
    Reserve,
    Result,
    ReverseTurn,
    VoidCharge,
)
from services.billing.ports import StoreError
from services.billing.pricing import Price
from services.billing.store import PostgresLedger
from services.runtime.errors import ServiceError
from tests.ledger.postgres import Pool
from tests.ledger.writing import charge, done, everything_once, now, reserve, settle, several, sound_books, top_up

INT64_MAX = 2**63 - 1


async def test_balanced(ledger_pool: Pool) -> None:
    await everything_once(ledger_pool)
    accounts = (await sound_books(ledger_pool)).accounts
    assert accounts == {
        wallet_account("u"): 1_000 + 500 + 3_000_000 - 70 - 1_000_000 - 30,
        PROMOTIONS: -1_500,
        CLEARING: -2_000_000,
        REVENUE: 70 + 30,
        PROVIDER_COST: -170,
        PROVIDERS: 170,
    }
    assert sum(accounts.values()) == 0


@pytest.mark.parametrize("change", ["UPDATE transfers SET {} = {}", "DELETE FROM transfers", "TRUNCATE transfers"])
async def test_append_only(ledger_pool: Pool, change: str) -> None:
    await everything_once(ledger_pool)
    before = await sound_books(ledger_pool)
    for column in ("amount_micros", "position", "sha256", "created_at", "wallet_balance_micros"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await ledger_pool.execute(change.format(column, column))
    assert await sound_books(ledger_pool) == before


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE transfers SET amount_micros = amount_micros + 1 WHERE position = 3",
        "UPDATE transfers SET debit_account = 'promotions' WHERE kind = 'topup'",
        "UPDATE transfers SET created_at = created_at + interval '1 microsecond' WHERE position = 1",
        "UPDATE transfers SET wallet_balance_micros = wallet_balance_micros - 1 WHERE position = 2",
        "UPDATE transfers SET request_id = 'other' WHERE kind = 'grant'",
        "DELETE FROM transfers WHERE position = 4",
        "DELETE FROM transfers WHERE position = (SELECT max(position) FROM transfers)",
        "UPDATE chains SET length = 0, sha256 = decode(repeat('00', 32), 'hex')",
    ],
)
async def test_hash_chain(ledger_pool: Pool, tampering: str) -> None:
    await everything_once(ledger_pool)
    await sound_books(ledger_pool)
    # Whoever owns the tables can switch the trigger off: the chain says what they did.
    await ledger_pool.execute(f"ALTER TABLE transfers DISABLE TRIGGER USER; {tampering}")
    verification = await Verifier(ledger_pool).verify()
    assert verification is not None
    assert "chain" in {finding.check.value for finding in verification.findings}
    with pytest.raises(AssertionError):
        await sound_books(ledger_pool)


async def test_duplicate(ledger_pool: Pool) -> None:
    writes: list[Operation] = [
        OpenWallet("u", 1_000),
        GrantCredit("u", "g", 500, "why"),
        reserve("1"),
        settle("1", micros=70),
        ReverseTurn("u", "1"),
        reserve("2"),
        Release("u", "2"),
        charge("3"),
        charge("4", micros=60),
        VoidCharge(charge("4", micros=60)),
        VoidCharge(charge("5")),
    ]
    first = await done(ledger_pool, *writes)
    before = await sound_books(ledger_pool)
    # In one batch, and one by one.
    again = await done(ledger_pool, *writes, *writes)
    again += [(await done(ledger_pool, write))[0] for write in writes]
    assert not any(result.fresh for result in again)
    # The trial's amount is none of the caller's.
    assert [result.amount for result in again if result.amount] == [r.amount for r in first[1:] if r.amount] * 3
    assert await sound_books(ledger_pool) == before


async def test_concurrent_duplicate(ledger_pool: Pool) -> None:
    await top_up(ledger_pool, "order1", "u", 300)
    writes: list[Operation] = [
        GrantCredit("u", "g", 500, "why"),
        reserve("1"),
        settle("1", micros=70),
        ReverseTurn("u", "1"),
        charge("2"),
        VoidCharge(charge("2")),
        VoidCharge(charge("3")),
        HoldRefund("u", "refund1", "r", "order1", 100, "why"),
        EndRefund("u", "refund1", RefundEnd.DONE, "wx"),
    ]
    for write in writes:
        outcomes = await asyncio.gather(*(done(ledger_pool, write) for _ in range(8)))
        assert sorted(result.fresh for (result,) in outcomes) == [False] * 7 + [True]
        assert len({result.amount for (result,) in outcomes}) == 1
    await sound_books(ledger_pool)


async def test_hot_account(ledger_pool: Pool) -> None:
    users = [f"u{n}" for n in range(40)]
    await done(ledger_pool, *(GrantCredit(user, "g", 1_000, "") for user in users))
    # Everyone's money goes to the same account, and nobody waits for it: while one transaction that pays revenue is
    # open, others pay revenue, too.
    async with ledger_pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("SELECT FROM wallets WHERE user_id = 'u0' FOR UPDATE")
        await blocker.execute("SELECT FROM chains FOR UPDATE")
        async with asyncio.timeout(5):
            turns: list[list[Operation]] = [[reserve("r", user), settle("r", user)] for user in users[1:]]
            assert all(isinstance(outcome, Result) for outcome in await several(ledger_pool, 4, turns))
    await done(ledger_pool, reserve("r", "u0"), settle("r", "u0"))
    books = await sound_books(ledger_pool)
    assert books.accounts[REVENUE] == 40 * 100
    assert len([head for head in books.heads.values() if head.length]) > 1


async def test_conservation(ledger_pool: Pool) -> None:
    users = [f"u{n}" for n in range(10)]
    await done(ledger_pool, *(GrantCredit(user, "g", 100_000, "") for user in users))
    given = (await sound_books(ledger_pool)).accounts[PROMOTIONS]
    chance = random.Random(7)  # noqa: S311  # the same every time
    writes: list[Operation] = []
    for n in range(600):
        user, micros = chance.choice(users), chance.randrange(1, 500)
        turn = reserve(f"r{n}", user, micros)
        endings: list[Operation] = [settle(f"r{n}", user, micros), Release(user, f"r{n}"), turn]
        writes += [turn, chance.choice(endings)]
    await several(ledger_pool, 4, [writes[n : n + 20] for n in range(0, len(writes), 20)])
    books = await sound_books(ledger_pool)
    # Money is neither made nor lost: what was given is in the wallets, or was paid.
    assert sum(wallet.balance for wallet in books.wallets.values()) + books.accounts[REVENUE] == -given
    assert books.accounts[PROMOTIONS] == given


async def test_journal_projection(ledger_pool: Pool) -> None:
    await everything_once(ledger_pool)
    for wrong, right in (
        ("balance_micros = balance_micros + 1", "balance_micros = balance_micros - 1"),
        ("reserved_micros = reserved_micros + 1", "reserved_micros = reserved_micros - 1"),
    ):
        await ledger_pool.execute(f"UPDATE wallets SET {wrong}")  # noqa: S608  # our own words
        verification = await Verifier(ledger_pool).verify()
        assert verification is not None
        assert {finding.check.value for finding in verification.findings} == {"projection"}
        await ledger_pool.execute(f"UPDATE wallets SET {right}")  # noqa: S608  # as above
        await sound_books(ledger_pool)


async def test_overdraft_drain(ledger_pool: Pool) -> None:
    await done(ledger_pool, GrantCredit("u", "g", 1_050, ""))
    turns = [[reserve(f"r{n}-{m}") for m in range(10)] for n in range(30)]
    outcomes = await several(ledger_pool, 8, turns)
    granted = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    assert (len(granted), len(outcomes)) == (10, 300)
    books = await sound_books(ledger_pool)
    assert (books.wallets["u"].reserved, books.wallets["u"].available) == (1_000, 50)
    # To the last micro-yuan, and not one further.
    await done(ledger_pool, reserve("last", micros=50))
    (outcome,) = await PostgresLedger(ledger_pool).apply([reserve("beyond", micros=1)], now())
    assert isinstance(outcome, ServiceError)
    await done(ledger_pool, *(settle(*key[::-1]) for key in books.reservations), settle("last", micros=50))
    assert (await sound_books(ledger_pool)).wallets["u"].balance == 0


async def test_overdraft_by_charges(ledger_pool: Pool) -> None:
    await done(ledger_pool, GrantCredit("u", "g", 1_050, ""), reserve("running"))
    batches: list[list[Operation]] = [[charge(f"r{n}-{m}") for m in range(10)] for n in range(30)]
    # Each twice, as after a lost answer, and beside turns that reserve.
    turns: list[list[Operation]] = [[reserve(f"t{n}"), Release("u", f"t{n}")] for n in range(30)]
    await several(ledger_pool, 8, [*batches, *turns, *batches])
    assert sum(bool(turn.charged) for turn in (await sound_books(ledger_pool)).reservations.values()) <= 9
    # What is not set aside is spent to the last charge that it affords.
    await several(ledger_pool, 8, batches)
    books = await sound_books(ledger_pool)
    assert sum(bool(turn.charged) for turn in books.reservations.values()) == 9
    assert (books.wallets["u"].reserved, books.wallets["u"].available) == (100, 50)


async def test_charge_and_void_at_once(ledger_pool: Pool) -> None:
    await done(ledger_pool, GrantCredit("u", "g", 100_000, ""))
    # Whichever comes first, in whichever batch: what is voided is not charged.
    pairs: list[list[Operation]] = [[charge(f"r{n}")] for n in range(60)]
    pairs += [[VoidCharge(charge(f"r{n}"))] for n in range(60)]
    random.Random(5).shuffle(pairs)  # noqa: S311  # the same every time
    await several(ledger_pool, 8, pairs)
    books = await sound_books(ledger_pool)
    assert (books.wallets["u"].balance, books.accounts.get(REVENUE, 0)) == (100_000, 0)
    assert {turn.state for turn in books.reservations.values()} == {State.RELEASED, State.REVERSED}


async def test_precision(ledger_pool: Pool) -> None:
    ledger = PostgresLedger(ledger_pool)
    (full,) = await done(ledger_pool, GrantCredit("u", "g", INT64_MAX, ""))
    assert full.wallet.balance == INT64_MAX
    # One micro-yuan more does not fit, and is refused instead of rounded or wrapped around.
    with pytest.raises(StoreError) as caught:
        await ledger.apply([GrantCredit("u", "more", 1, "")], now())
    assert caught.value.alone
    # 2⁵³ + 1 is the first integer that a float does not know.
    for micros in (1, 2**53 + 1, 2**62 + 1):
        turn = Reserve("u", f"r{micros}", "m", 1, 0, Price(micros, 0, 0, 0, 10**12), 900)
        reserved, settled = await done(ledger_pool, turn, settle(f"r{micros}", micros=1))
        assert reserved.amount == settled.amount == micros
    books = await sound_books(ledger_pool)
    assert books.accounts[REVENUE] == INT64_MAX - books.wallets["u"].balance == 2**62 + 2**53 + 3
    kinds = await ledger_pool.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'billing'"
    )
    assert not [row for row in kinds if row["data_type"] in ("real", "double precision", "numeric", "money")]
    assert {row["data_type"] for row in kinds if row["column_name"].endswith("_micros")} == {"bigint"}


async def test_reversal(ledger_pool: Pool) -> None:
    await done(ledger_pool, GrantCredit("u", "g", 1_000, ""), reserve("1"), settle("1", micros=70), reserve("2"))
    before = (await sound_books(ledger_pool)).wallets["u"]
    (reversed_,) = await done(ledger_pool, ReverseTurn("u", "1"))
    assert (reversed_.amount, reversed_.wallet.balance, reversed_.wallet.reserved) == (70, before.balance + 70, 100)
    (again,) = await done(ledger_pool, ReverseTurn("u", "1"))
    assert not again.fresh
    (refused,) = await PostgresLedger(ledger_pool).apply([ReverseTurn("u", "2")], now())
    assert isinstance(refused, ServiceError)
    books = await sound_books(ledger_pool)
    # What was booked stays, and the reversal is an entry of its own; what the turn cost us, it cost us.
    kinds = [entry.transfer.kind.value for entry in books.entries]
    assert kinds == ["grant", "turn", "cost", "reversal"]
    assert (books.accounts[REVENUE], books.accounts[PROVIDER_COST]) == (0, -70)


async def test_replay(ledger_pool: Pool) -> None:
    await everything_once(ledger_pool)
    await done(ledger_pool, GrantCredit("v", "g", 7, ""), reserve("1", "v", 5), settle("1", "v", 3))
    books = await sound_books(ledger_pool)
    # From the journal alone, entry by entry.
    balances: dict[str, int] = defaultdict(int)
    for entry in books.entries:
        balances[entry.transfer.debit_account] -= entry.transfer.amount
        balances[entry.transfer.credit_account] += entry.transfer.amount
        if entry.transfer.wallet_balance is not None:
            assert balances[wallet_account(entry.transfer.user_id)] == entry.transfer.wallet_balance
    assert {user: balances[wallet_account(user)] for user in books.wallets} == {
        user: wallet.balance for user, wallet in books.wallets.items()
    }


async def test_ordering(ledger_pool: Pool) -> None:
    users = [f"u{n}" for n in range(6)]
    batches = [[GrantCredit(user, f"g{n}", 10 + n, "") for user in users[n % 3 :]] for n in range(60)]
    await several(ledger_pool, 6, batches)
    books = await sound_books(ledger_pool)
    balances: dict[str, int] = defaultdict(int)
    positions: dict[int, int] = defaultdict(int)
    # In the order of ids: a wallet's running balance never jumps, and no chain runs backwards.
    for entry in books.entries:
        balances[entry.transfer.user_id] += entry.transfer.amount
        assert entry.transfer.wallet_balance == balances[entry.transfer.user_id]
        positions[entry.link.chain_id] += 1
        assert entry.link.position == positions[entry.link.chain_id]
    assert len(positions) > 1, "several transactions ran at once"


async def test_isolation(ledger_pool: Pool) -> None:
    await top_up(ledger_pool, "order1", "ann", 300)
    await done(ledger_pool, GrantCredit("bo", "g", 100, ""), reserve("same", "ann"), reserve("same", "bo"))
    theirs: list[Operation] = [
        settle("only-anns", "bo"),
        PayOrder("bo", "order1", 300, "wxorder1", now()),
        HoldRefund("bo", "refund1", "r", "order1", 100, "why"),
    ]
    await done(ledger_pool, reserve("only-anns", "ann"))
    assert not [o for o in await PostgresLedger(ledger_pool).apply(theirs, now()) if isinstance(o, Result)]
    await done(ledger_pool, HoldRefund("ann", "refund1", "r", "order1", 100, "why"))
    for theft in (
        EndRefund("bo", "refund1", RefundEnd.DONE, "wx"),
        HoldRefund("bo", "refund1", "r", "order1", 100, "why"),
    ):
        (outcome,) = await PostgresLedger(ledger_pool).apply([theft], now())
        assert isinstance(outcome, ServiceError), theft
    # Batches of both, at once and in any order: each spends only their own.
    chance = random.Random(3)  # noqa: S311  # as above
    writes = [reserve(f"r{n}", user, 1) for n in range(100) for user in ("ann", "bo")]
    chance.shuffle(writes)
    outcomes = await several(ledger_pool, 6, [writes[n : n + 10] for n in range(0, 200, 10)])
    assert sum(isinstance(outcome, ServiceError) for outcome in outcomes) == 100, "bo had nothing left"
    books = await sound_books(ledger_pool)
    assert (books.wallets["ann"].available, books.wallets["bo"].available) == (2_000_000 - 200 - 100, 0)
    assert books.wallets["bo"].balance == 100
