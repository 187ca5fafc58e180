"""Orders and refunds, from rows and back."""

import json

import asyncpg

from services.billing.payments.domain import Channel, Order, OrderState, Package, Payer, Refund, RefundState

ORDER_CHANGE_WIDTH = 5
REFUND_WIDTH = 11


def order(row: asyncpg.Record) -> Order:
    """A row of orders; the session key of its payer is never stored."""
    return Order(
        out_trade_no=row["out_trade_no"],
        user_id=row["user_id"],
        request_id=row["request_id"],
        input_sha256=row["input_sha256"],
        channel=Channel(row["channel"]),
        package_id=row["package_id"],
        tokens=row["tokens"],
        amount_fen=row["amount_fen"],
        description=row["description"],
        payer=Payer(openid=row["openid"], client_ip=row["client_ip"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        state=OrderState(row["state"]),
        parameters=json.loads(row["parameters"]),
        virtual_product_id=row["virtual_product_id"],
        transaction_id=row["transaction_id"],
        paid_at=row["paid_at"],
        refunded_fen=row["refunded_fen"],
    )


def order_change(item: Order) -> tuple[object, ...]:
    """In the order of sql.WRITE_ORDERS."""
    return (item.out_trade_no, item.state.value, item.transaction_id, item.paid_at, item.refunded_fen)


def refund(row: asyncpg.Record) -> Refund:
    """A row of refunds."""
    return Refund(
        out_refund_no=row["out_refund_no"],
        user_id=row["user_id"],
        request_id=row["request_id"],
        input_sha256=row["input_sha256"],
        out_trade_no=row["out_trade_no"],
        amount_fen=row["amount_fen"],
        reason=row["reason"],
        created_at=row["created_at"],
        state=RefundState(row["state"]),
        refund_id=row["refund_id"],
        closed_at=row["closed_at"],
    )


def refund_values(item: Refund) -> tuple[object, ...]:
    """In the order of sql.WRITE_REFUNDS."""
    return (
        item.out_refund_no,
        item.user_id,
        item.request_id,
        item.input_sha256,
        item.out_trade_no,
        item.amount_fen,
        item.reason,
        item.created_at,
        item.state.value,
        item.refund_id,
        item.closed_at,
    )


def package(row: asyncpg.Record) -> Package:
    """A row of packages."""
    return Package(
        package_id=row["id"],
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        tokens=row["tokens"],
        usd_micros_per_million=row["usd_micros_per_million"],
        virtual_product_id=row["virtual_product_id"],
        virtual_amount_fen=row["virtual_amount_fen"],
    )
