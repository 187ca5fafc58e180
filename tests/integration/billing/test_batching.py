"""Group commit on PostgreSQL, under 256 writers at once."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from prometheus_client import CollectorRegistry

from services.billing.domain import REVENUE
from services.billing.operations import GrantCredit
from services.billing.store import PostgresLedger
from services.billing.writer import LedgerWriter, WriterMetrics
from services.runtime.errors import ServiceError
from tests.ledger.postgres import Pool
from tests.ledger.writing import reserve, settle, sound_books

WRITERS = 256
TURNS = 4


@pytest.mark.parametrize("users", [1, 200], ids=["one hot wallet", "200 wallets"])
@pytest.mark.parametrize("processes", [1, 2])
async def test_many_writers_share_few_transactions_to_the_micro_yuan(
    ledger_pool: Pool, users: int, processes: int
) -> None:
    registries = [CollectorRegistry() for _ in range(processes)]
    writers = [LedgerWriter(PostgresLedger(ledger_pool), WriterMetrics(registry)) for registry in registries]

    async def caller(number: int) -> int:
        user, ledger, charged = f"u{number % users}", writers[number % processes], 0
        for turn in range(TURNS):
            request = f"r{number}-{turn}"
            await ledger.submit(reserve(request, user, 100))
            charged += (await ledger.submit(settle(request, user, 60))).amount
        return charged

    async with AsyncExitStack() as stack:
        for ledger in writers:
            await stack.enter_async_context(ledger.running())
        await asyncio.gather(*(writers[0].submit(GrantCredit(f"u{n}", "g", 1_000_000, "")) for n in range(users)))
        charged = await asyncio.gather(*map(caller, range(WRITERS)))
    books = await sound_books(ledger_pool)
    assert sum(charged) == books.accounts[REVENUE] == WRITERS * TURNS * 60
    assert sum(wallet.balance for wallet in books.wallets.values()) == users * 1_000_000 - sum(charged)
    writes = sum(registry.get_sample_value("queqiao_ledger_batch_size_sum") or 0 for registry in registries)
    transactions = sum(registry.get_sample_value("queqiao_ledger_batch_size_count") or 0 for registry in registries)
    assert writes == users + WRITERS * TURNS * 2
    assert writes / transactions > 16, "a transaction carries many writes"


async def test_in_a_batch_that_a_hot_wallet_cannot_afford_exactly_what_it_affords_succeeds(ledger_pool: Pool) -> None:
    ledger = LedgerWriter(PostgresLedger(ledger_pool), WriterMetrics(CollectorRegistry()))
    async with ledger.running():
        await ledger.submit(GrantCredit("hot", "g", 100 * 100 + 99, ""))
        await ledger.submit(GrantCredit("other", "g", WRITERS * 100, ""))
        asked = [ledger.submit(reserve(f"r{n}", user)) for n in range(WRITERS) for user in ("hot", "other")]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    assert len(refused) == WRITERS - 100
    assert {error.wire_reason for error in refused} == {"INSUFFICIENT_QUOTA"}
    wallets = (await sound_books(ledger_pool)).wallets
    assert (wallets["hot"].available, wallets["other"].available) == (99, 0)
