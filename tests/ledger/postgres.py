"""The whole ledger, read out of PostgreSQL."""

from typing import TypeAlias

import asyncpg

from services.billing import rows
from services.billing.chain import Head, Link
from services.billing.domain import Kind, Transfer
from services.billing.payments import rows as payment_rows
from services.runtime.postgres import Connection
from tests.ledger.books import Books, Entry

# In quotes: only the stubs know this class as generic.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def read_books(connection: Connection) -> Books:
    """Everything, as of one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        wallets = await connection.fetch("SELECT * FROM billing.wallets")
        reservations = await connection.fetch("SELECT * FROM billing.reservations")
        grants = await connection.fetch("SELECT * FROM billing.grants")
        orders = await connection.fetch("SELECT * FROM billing.orders")
        refunds = await connection.fetch("SELECT * FROM billing.refunds")
        transfers = await connection.fetch("SELECT * FROM billing.transfers ORDER BY id")
        chains = await connection.fetch("SELECT * FROM billing.chains")
    return Books(
        wallets={row["user_id"]: rows.wallet(row) for row in wallets},
        reservations={(row["user_id"], row["request_id"]): rows.reservation(row) for row in reservations},
        grants={(row["user_id"], row["request_id"]): rows.grant(row) for row in grants},
        orders={row["out_trade_no"]: payment_rows.order(row) for row in orders},
        refunds={row["out_refund_no"]: payment_rows.refund(row) for row in refunds},
        entries=[
            Entry(
                Transfer(
                    row["debit_account"],
                    row["credit_account"],
                    row["amount_micros"],
                    Kind(row["kind"]),
                    row["user_id"],
                    row["request_id"],
                    row["wallet_balance_micros"],
                ),
                row["created_at"],
                Link(row["chain_id"], row["position"], row["sha256"]),
            )
            for row in transfers
        ],
        heads={row["id"]: Head(row["id"], row["length"], row["sha256"]) for row in chains},
    )
