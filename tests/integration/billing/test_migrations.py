"""A ledger that was kept before the journal was chained is chained, and goes on, as if it always had been."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from services.billing import chain, sql
from services.billing.books.verifier import Verifier
from services.billing.chain import Head
from services.billing.errors import RequestConflictError
from services.billing.operations import (
    GrantCredit,
    OpenWallet,
    Operation,
    Release,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
)
from services.billing.pricing import Price, Usage
from services.billing.store import PostgresLedger
from services.runtime.postgres import postgres_pool
from tests.ledger.books import assert_sound
from tests.ledger.postgres import Pool, read_books

MIGRATIONS = Path(sql.__file__).with_name("migrations")
OLD = ("0001_ledger.sql", "0002_prices.sql")

# gpt-4o-mini, as the second migration prices it.
PRICE = Price(150_000, 75_000, 600_000, 0, 7_100_000)
BEGAN = datetime(2026, 1, 1, 12, 0, 0, 123_457, tzinfo=UTC)

# As billing wrote them then: a trial, grants, and turns that were settled, released, swept, and are still open.
OLD_ROWS = """
INSERT INTO wallets (user_id, balance_micros, reserved_micros) VALUES
    ('ann', 1002105, 3195), ('bo', 7, 0), ('new', 0, 0);
INSERT INTO grants (user_id, request_id, amount_micros, reason) VALUES
    ('ann', 'trial:credit', 1000000, 'trial credit'), ('ann', 'g', 5300, '补偿\nfor yesterday'), ('bo', 'g', 7, '');
INSERT INTO reservations (
    user_id, request_id, model, input_tokens, max_output_tokens, amount_micros, input_usd_micros,
    cached_input_usd_micros, output_usd_micros, markup_basis_points, cny_micros_per_usd, state, used_input_tokens,
    used_cached_tokens, used_output_tokens, outcome, charged_micros, created_at, expires_at, closed_at
)
SELECT 'ann', request_id, 'gpt-4o-mini', 1000, 500, 3195, 150000, 75000, 600000, 0, 7100000, state, used, 0, used,
    outcome, charged, $1::timestamptz, $1::timestamptz + interval '960 seconds',
    CASE WHEN state <> 'reserved' THEN $1::timestamptz + interval '1 second' END
FROM (VALUES
    ('settled', 'settled', 600, 'completed', 3195), ('free', 'settled', 0, 'failed', 0),
    ('released', 'released', NULL, NULL, NULL), ('expired', 'expired', NULL, NULL, NULL),
    ('open', 'reserved', NULL, NULL, NULL)
) AS turn (request_id, state, used, outcome, charged);
INSERT INTO transfers (debit_account, credit_account, amount_micros, kind, user_id, request_id, created_at) VALUES
    ('promotions', 'wallet:ann', 1000000, 'trial', 'ann', 'trial:credit', $1),
    ('promotions', 'wallet:bo', 7, 'grant', 'bo', 'g', $1::timestamptz + interval '1 microsecond'),
    ('promotions', 'wallet:ann', 5300, 'grant', 'ann', 'g', $1::timestamptz + interval '2 seconds'),
    ('wallet:ann', 'revenue', 3195, 'turn', 'ann', 'settled', $1::timestamptz + interval '40 days');
""".replace("$1", f"'{BEGAN.isoformat()}'")


@pytest.fixture
async def migrated(database_url: str, tmp_path: Path) -> AsyncIterator[Pool]:
    """A database of then, with everything that was in it, under today's schema."""
    for name in OLD:
        shutil.copy(MIGRATIONS / name, tmp_path)
    async with postgres_pool(database_url, schema="billing", migrations=tmp_path, connections_max=1) as pool:
        await pool.execute(OLD_ROWS)
    async with postgres_pool(database_url, schema="billing", migrations=MIGRATIONS, connections_max=2) as pool:
        yield pool


def turn(request_id: str, max_output_tokens: int = 500) -> Reserve:
    return Reserve("ann", request_id, "gpt-4o-mini", 1000, max_output_tokens, PRICE, 960)


async def applied(pool: Pool, operation: Operation) -> Result | Exception:
    (outcome,) = await PostgresLedger(pool).apply([operation], BEGAN + timedelta(days=60))
    return outcome


async def test_old_entries_are_chained_in_their_order_and_wallets_stay(migrated: Pool) -> None:
    async with migrated.acquire() as connection:
        books = await read_books(connection)
    assert_sound(books)
    head = Head(chain_id=1)
    for entry in books.entries:
        assert chain.append(head, entry.transfer, entry.at) == entry.link
        head = Head(1, entry.link.position, entry.link.sha256)
    assert books.heads == {1: head}
    assert [entry.transfer.wallet_balance for entry in books.entries] == [1_000_000, 7, 1_005_300, 1_002_105]
    wallets = {user: (wallet.balance, wallet.reserved) for user, wallet in books.wallets.items()}
    assert wallets == {"ann": (1_002_105, 3_195), "bo": (7, 0), "new": (0, 0)}
    await PostgresLedger(migrated).apply([Release("ann", "open")], BEGAN)
    verification = await Verifier(migrated).verify()
    assert verification is not None
    assert verification.findings == ()


@pytest.mark.parametrize(
    ("again", "amount"),
    [
        (OpenWallet("ann", 5), 0),
        (GrantCredit("ann", "g", 5_300, "补偿\nfor yesterday"), 5_300),
        (GrantCredit("bo", "g", 7, ""), 7),
        (turn("settled"), 3_195),
        (turn("open"), 3_195),
        (turn("expired"), 3_195),
        (Settle("ann", "settled", Usage(600, 600), "completed"), 3_195),
        (Settle("ann", "free", Usage(0, 0), "failed"), 0),
        (Release("ann", "released"), 0),
    ],
)
async def test_an_old_request_that_is_repeated_is_answered_as_then(
    migrated: Pool, again: Operation, amount: int
) -> None:
    outcome = await applied(migrated, again)
    assert isinstance(outcome, Result)
    assert (outcome.amount, outcome.fresh) == (amount, False)


@pytest.mark.parametrize(
    "other",
    [
        GrantCredit("ann", "g", 5_301, "补偿\nfor yesterday"),
        GrantCredit("ann", "g", 5_300, "other"),
        turn("settled", max_output_tokens=501),
        turn("open", max_output_tokens=501),
        Settle("ann", "settled", Usage(600, 601), "completed"),
        Settle("ann", "settled", Usage(600, 600), "cancelled"),
    ],
)
async def test_an_old_request_with_other_content_is_a_conflict(migrated: Pool, other: Operation) -> None:
    assert isinstance(await applied(migrated, other), RequestConflictError)


async def test_an_old_turn_can_be_settled_and_reversed_and_new_ones_follow(migrated: Pool) -> None:
    for operation in (
        Settle("ann", "open", Usage(1000, 0), "completed"),
        ReverseTurn("ann", "settled"),
        ReverseTurn("ann", "free"),
        OpenWallet("new", 50),
        turn("fresh"),
    ):
        outcome = await applied(migrated, operation)
        assert isinstance(outcome, Result), operation
        assert outcome.fresh
    async with migrated.acquire() as connection:
        books = await read_books(connection)
    assert_sound(books)
    assert books.wallets["ann"].balance == 1_002_105 - 1_065 + 3_195


async def test_what_was_booked_then_cannot_be_changed_now(migrated: Pool) -> None:
    for table in ("transfers", "prices"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await migrated.execute(f"DELETE FROM {table}")  # noqa: S608  # our own tables
