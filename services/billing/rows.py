"""The ledger's rows to its domain and back."""

from collections.abc import Iterable, Sequence

import asyncpg

from services.billing.chain import Head, Link
from services.billing.domain import Grant, Reservation, Source, State, Transfer, Wallet
from services.billing.pricing import Price, Usage

RESERVATION_WIDTH = 28
GRANT_WIDTH = 5
TRANSFER_WIDTH = 10


def columns(width: int, rows: Iterable[Sequence[object]]) -> list[list[object] | None]:
    """Rows as the `width` arrays that `unnest` takes; NULL gives it none either, and costs nothing to encode."""
    return [list(column) for column in zip(*rows, strict=True)] or [None] * width


def wallet(row: asyncpg.Record) -> Wallet:
    """A row of wallets."""
    return Wallet(row["user_id"], row["balance_micros"], row["reserved_micros"])


def head(row: asyncpg.Record) -> Head:
    """A chain that was locked."""
    return Head(row["chain_id"], row["chain_length"], row["chain_sha256"])


def grant(row: asyncpg.Record) -> Grant:
    """A row of grants."""
    return Grant(row["user_id"], row["request_id"], row["input_sha256"], row["amount_micros"], row["reason"])


def reservation(row: asyncpg.Record) -> Reservation:
    """A row of reservations."""
    return Reservation(
        user_id=row["user_id"],
        request_id=row["request_id"],
        input_sha256=row["input_sha256"],
        model=row["model"],
        input_tokens=row["input_tokens"],
        max_output_tokens=row["max_output_tokens"],
        amount=row["amount_micros"],
        price=Price(
            row["input_usd_micros"],
            row["cached_input_usd_micros"],
            row["output_usd_micros"],
            row["markup_basis_points"],
            row["cny_micros_per_usd"],
            row["own_model"],
        ),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        state=State(row["state"]),
        usage=_usage(row, "used"),
        outcome=row["outcome"],
        source=Source(row["source"]) if row["source"] else None,
        charged=row["charged_micros"],
        provider_cost=row["provider_cost_micros"],
        lost=_usage(row, "lost"),
        closing_sha256=row["closing_sha256"],
        closed_at=row["closed_at"],
    )


def reservation_values(item: Reservation) -> tuple[object, ...]:
    """In the order of sql.WRITE."""
    price = item.price
    return (
        item.user_id,
        item.request_id,
        item.input_sha256,
        item.model,
        item.input_tokens,
        item.max_output_tokens,
        item.amount,
        price.input_usd_micros,
        price.cached_input_usd_micros,
        price.output_usd_micros,
        price.markup_basis_points,
        price.cny_micros_per_usd,
        price.own_model,
        item.state.value,
        *_counts(item.usage),
        item.outcome,
        item.source.value if item.source else None,
        item.charged,
        item.provider_cost,
        *_counts(item.lost),
        item.closing_sha256,
        item.created_at,
        item.expires_at,
        item.closed_at,
    )


def _usage(row: asyncpg.Record, prefix: str) -> Usage | None:
    if row[f"{prefix}_input_tokens"] is None:
        return None
    return Usage(row[f"{prefix}_input_tokens"], row[f"{prefix}_output_tokens"], row[f"{prefix}_cached_tokens"])


def _counts(usage: Usage | None) -> tuple[int | None, int | None, int | None]:
    return usage.counts if usage else (None, None, None)


def grant_values(item: Grant) -> tuple[object, ...]:
    """In the order of sql.WRITE."""
    return (item.user_id, item.request_id, item.input_sha256, item.amount, item.reason)


def transfer_values(item: Transfer, link: Link) -> tuple[object, ...]:
    """In the order of sql.WRITE."""
    return (
        item.debit_account,
        item.credit_account,
        item.amount,
        item.kind.value,
        item.user_id,
        item.request_id,
        item.wallet_balance,
        link.chain_id,
        link.position,
        link.sha256,
    )
