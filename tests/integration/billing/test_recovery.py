"""A transaction that dies at its worst moment leaves nothing behind, and can be repeated; the fifteenth invariant."""

from datetime import timedelta

import asyncpg
import pytest

from services.billing.operations import GrantCredit, Operation, PayOrder, VoidCharge
from services.billing.payments.store import PaymentStore
from services.billing.ports import StoreError
from services.billing.store import PostgresLedger
from tests.ledger.crash import crashing, prepare_crashes
from tests.ledger.operations import order
from tests.ledger.postgres import Pool
from tests.ledger.writing import charge, done, now, reserve, settle, sound_books


@pytest.mark.parametrize("when", ["reservations", "grants", "transfers", "chains", "wallets", "orders", "commit"])
async def test_recovery(ledger_pool: Pool, ledger_url: str, when: str) -> None:
    admin = await asyncpg.connect(ledger_url)
    try:
        await prepare_crashes(admin)
        await PaymentStore(ledger_pool).add_order(order("order1", "u", 300), waiting_max=9)
        await done(ledger_pool, GrantCredit("u", "g", 1_000, ""), reserve("1"), charge("0"))
        writes: list[Operation] = [
            GrantCredit("u", "g2", 500, ""),
            settle("1", micros=70),
            reserve("2"),
            charge("3", micros=40),
            VoidCharge(charge("0")),
            PayOrder("u", "order1", 300, "wx1", now() - timedelta(seconds=1)),
        ]
        before = await sound_books(ledger_pool)
        async with crashing(admin, when):
            with pytest.raises(StoreError) as caught:
                await PostgresLedger(ledger_pool).apply(writes, now())
            assert not caught.value.alone, "the others are not to be tried one by one"
        assert await sound_books(ledger_pool) == before, "nothing is half written"
        # The caller repeats it, through whichever connection.
        assert all(result.fresh for result in await done(ledger_pool, *writes))
        assert not any(result.fresh for result in await done(ledger_pool, *writes))
        assert (await sound_books(ledger_pool)).wallets["u"].balance == 1_000 + 500 - 70 - 40 + 3_000_000
    finally:
        await admin.close()
