"""What PostgreSQL adds to the ledger's rules: locks, constraints, plans, and a journal that cannot be changed."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from services.billing import rows, sql
from services.billing.operations import GrantCredit, OpenWallet, Release, Reserve, Result, Settle
from services.billing.ports import StoreError
from services.billing.prices import PriceBook
from services.billing.pricing import Price, Usage
from services.billing.store import PostgresLedger
from services.runtime.errors import ServiceError
from services.runtime.postgres import migrate, postgres_pool

MIGRATIONS = Path(sql.__file__).with_name("migrations")
PRICE = Price(1_000_000, 500_000, 1_000_000, 0, 1_000_000)

# In quotes: only the stubs know this class as generic.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with postgres_pool(database_url, schema="billing", migrations=MIGRATIONS, connections_max=8) as pool:
        yield pool


def now() -> datetime:
    return datetime.now(UTC)


def reserve(request_id: str = "r", user_id: str = "u", tokens: int = 100) -> Reserve:
    return Reserve(user_id, request_id, "m", tokens, 0, PRICE, 900)


def done(outcome: Result | ServiceError) -> Result:
    assert isinstance(outcome, Result), outcome
    return outcome


async def test_what_is_written_is_read_back_as_it_was(pool: Pool) -> None:
    first, second = PostgresLedger(pool), PostgresLedger(pool)
    await first.apply([GrantCredit("u", "g", 1_000, "why"), reserve("a"), reserve("b"), reserve("c")], now())
    settle = Settle("u", "a", Usage(90, 20, 30), "cancelled", lost=Usage(80, 2, 1))
    outcomes = [done(o) for o in await first.apply([settle, Release("u", "b")], now())]
    assert [outcome.amount for outcome in outcomes] == [95, 0]
    again = await second.apply(
        [GrantCredit("u", "g", 1_000, "why"), reserve("a"), settle, Release("u", "b"), reserve("c")], now()
    )
    assert [(done(o).amount, done(o).fresh) for o in again] == [
        (1_000, False),
        (100, False),
        (95, False),
        (0, False),
        (100, False),
    ]
    wallet = await second.wallet("u")
    assert wallet is not None
    assert (wallet.balance, wallet.reserved) == (905, 100)
    stored = {turn["request_id"]: rows.reservation(turn) for turn in await pool.fetch("SELECT * FROM reservations")}
    assert (stored["a"].usage, stored["a"].lost) == (Usage(90, 20, 30), Usage(80, 2, 1))
    assert (stored["b"].lost, stored["c"].lost) == (None, None)


async def test_a_request_that_two_processes_receive_at_once_happens_once(pool: Pool) -> None:
    ledgers = [PostgresLedger(pool) for _ in range(4)]
    for round_number in range(20):
        user = f"u{round_number}"
        opened = await asyncio.gather(*(ledger.apply([OpenWallet(user, 1_000)], now()) for ledger in ledgers))
        turns = await asyncio.gather(*(ledger.apply([reserve("r", user)], now()) for ledger in ledgers))
        settle = Settle(user, "r", Usage(60, 0), "completed")
        settled = await asyncio.gather(*(ledger.apply([settle], now()) for ledger in ledgers))
        for outcomes in (opened, turns, settled):
            assert sorted(done(outcome).fresh for (outcome,) in outcomes) == [False, False, False, True]
        wallet = await ledgers[0].wallet(user)
        assert wallet is not None
        assert (wallet.balance, wallet.reserved) == (940, 0)


async def test_batches_that_touch_the_same_wallets_in_any_order_never_deadlock(pool: Pool) -> None:
    ledgers = [PostgresLedger(pool) for _ in range(4)]
    for round_number in range(12):
        # New wallets each time: inserting a row locks it too.
        users = [f"u{round_number}-{n}" for n in range(100)]
        batches = [
            [GrantCredit(user, f"g{number}", 10, "") for user in (users if number % 2 else users[::-1])]
            for number in range(4)
        ]
        written = await asyncio.gather(
            *(ledger.apply(batch, now()) for ledger, batch in zip(ledgers, batches, strict=True))
        )
        assert all(done(outcome).fresh for outcomes in written for outcome in outcomes)
    assert await pool.fetchval("SELECT sum(balance_micros) FROM wallets") == 12 * 100 * 4 * 10


async def test_a_batch_is_written_whole_or_not_at_all(pool: Pool) -> None:
    ledger = PostgresLedger(pool)
    # The rules would let it pass; the column's type does not.
    impossible = GrantCredit("u", "g2", 2**63 - 1, "")
    with pytest.raises(StoreError) as caught:
        await ledger.apply([GrantCredit("u", "g1", 10, ""), impossible], now())
    assert caught.value.alone
    assert await ledger.wallet("u") is None
    assert await pool.fetchval("SELECT count(*) FROM transfers") == 0


async def test_a_server_that_is_away_is_told_from_a_bad_write(pool: Pool) -> None:
    ledger = PostgresLedger(pool)
    await pool.close()
    with pytest.raises(StoreError) as caught:
        await ledger.apply([OpenWallet("u", 1)], now())
    assert not caught.value.alone
    with pytest.raises(StoreError):
        await ledger.wallet("u")
    with pytest.raises(StoreError):
        await ledger.overdue(now(), 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallets SET balance_micros = reserved_micros - 1",
        "UPDATE wallets SET reserved_micros = -1",
        "UPDATE reservations SET state = 'settled', closed_at = now(), charged_micros = amount_micros + 1",
        "UPDATE reservations SET state = 'settled', closed_at = now()",
        "INSERT INTO transfers (debit_account, credit_account, amount_micros, kind, user_id, request_id,"
        " chain_id, position, sha256) VALUES ('promotions', 'wallet:u', 0, 'grant', 'u', 'zero', 1, 99, '')",
        "UPDATE reservations SET state = 'reversed', closed_at = now()",
        "UPDATE reservations SET lost_input_tokens = 1",
        "UPDATE reservations SET lost_input_tokens = 1, lost_cached_tokens = 2, lost_output_tokens = 0",
        "UPDATE chains SET sha256 = ''",
    ],
)
async def test_the_tables_refuse_what_the_rules_forbid(pool: Pool, statement: str) -> None:
    await PostgresLedger(pool).apply([GrantCredit("u", "g", 1_000, ""), reserve()], now())
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(statement)


@pytest.mark.parametrize("table", ["transfers", "prices", "exchange_rates"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET id = DEFAULT"])
async def test_what_was_booked_or_charged_once_stays(pool: Pool, table: str, change: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match=f"{table} is append-only"):
        await pool.execute(change.format(table))


@pytest.mark.parametrize("name", ["LOCK_WALLETS", "LOCK_WALLETS_AND_CHAIN", "RESERVATIONS", "GRANTS", "WRITE"])
async def test_every_look_up_uses_an_index_even_when_it_was_planned_over_empty_tables(pool: Pool, name: str) -> None:
    text = getattr(sql, name)
    parameters = ", ".join(["NULL"] * max(n for n in range(1, 60) if re.search(rf"\${n}\b", text)))
    async with pool.acquire() as connection:
        await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE planned AS {text}")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE planned({parameters})"))
    assert "Seq Scan" not in plan, plan
    # An index that begins with the user alone would read all of the user's history.
    assert name != "RESERVATIONS" or "reservations_pkey" in plan, plan


async def test_the_schema_is_made_once_whoever_comes_first(database_url: str) -> None:
    connections = [await asyncpg.connect(database_url) for _ in range(3)]
    try:
        made = await asyncio.gather(*(migrate(c, schema="billing", migrations=MIGRATIONS) for c in connections))
    finally:
        for connection in connections:
            await connection.close()
    assert sorted(made) == [[], [], sorted(file.name for file in MIGRATIONS.iterdir())]


async def test_a_price_counts_from_its_moment_on_and_the_newest_counts(pool: Pool) -> None:
    prices = PriceBook(pool, refresh_s=60)
    await prices.refresh()
    assert prices.price("gpt-4o-mini") == Price(150_000, 75_000, 600_000, 0, 7_100_000)
    assert prices.price("nobody-priced-this") == prices.price("gpt-4o")
    await pool.execute(
        "INSERT INTO prices (model, input_usd_micros, cached_input_usd_micros, output_usd_micros, markup_basis_points,"
        " source, effective_at) VALUES"
        " ('gpt-4o-mini', 1, 2, 3, 4, 'test', now()), ('gpt-4o-mini', 5, 6, 7, 8, 'test', now() + interval '1 day')"
    )
    await pool.execute(
        "INSERT INTO exchange_rates (currency, cny_micros_per_unit, source, effective_at) VALUES"
        " ('USD', 7200000, 'test', now()), ('EUR', 8000000, 'test', now()),"
        " ('USD', 9000000, 'test', now() + interval '1 day')"
    )
    assert prices.price("gpt-4o-mini").input_usd_micros == 150_000, "read only when it is refreshed"
    await prices.refresh()
    assert prices.price("gpt-4o-mini") == Price(1, 2, 3, 4, 7_200_000)


async def test_the_price_book_follows_the_database_by_itself(pool: Pool) -> None:
    prices = PriceBook(pool, refresh_s=0.01)
    await prices.refresh()
    task = asyncio.create_task(prices.keep_fresh())
    try:
        await pool.execute(
            "INSERT INTO exchange_rates (currency, cny_micros_per_unit, source) VALUES ('USD', 7300000, 'test')"
        )
        async with asyncio.timeout(5):
            while prices.price("gpt-4o").cny_micros_per_usd != 7_300_000:
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
