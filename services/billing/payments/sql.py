"""The statements of orders and refunds."""

ORDER_COLUMNS = """
out_trade_no, user_id, request_id, input_sha256, channel, package_id, tokens, amount_fen, description, openid,
client_ip, created_at, expires_at, state, parameters, virtual_product_id, transaction_id, paid_at, refunded_fen
"""

REFUND_COLUMNS = """
out_refund_no, user_id, request_id, input_sha256, out_trade_no, amount_fen, reason, created_at, state, refund_id,
closed_at
"""

# Within a ledger transaction. Wallets are locked before orders, and orders before refunds, everywhere.

# What a batch names, and every paid order of a user who asks for a refund.
LOCK_ORDERS = f"""
SELECT {ORDER_COLUMNS} FROM orders
WHERE out_trade_no = ANY ($1::text[])
    OR out_trade_no IN (SELECT out_trade_no FROM refunds WHERE out_refund_no = ANY ($2::text[]))
    OR (user_id = ANY ($3::text[]) AND state IN ('paid', 'refunded'))
ORDER BY out_trade_no FOR UPDATE
"""  # noqa: S608  # our own column list

# What a batch names, and every refund under way of a user who asks for another.
REFUNDS = f"""
SELECT {REFUND_COLUMNS} FROM refunds
WHERE out_refund_no = ANY ($1::text[]) OR (user_id = ANY ($2::text[]) AND state IN ('held', 'abnormal'))
ORDER BY out_refund_no FOR UPDATE
"""  # noqa: S608  # as above

WRITE_ORDERS = """
UPDATE orders SET
    state = after.state, transaction_id = after.transaction_id, paid_at = after.paid_at,
    refunded_fen = after.refunded_fen, parameters = '{}'
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::int[])
    AS after (out_trade_no, state, transaction_id, paid_at, refunded_fen)
WHERE orders.out_trade_no = after.out_trade_no
"""

WRITE_REFUNDS = """
INSERT INTO refunds (
    out_refund_no, user_id, request_id, input_sha256, out_trade_no, amount_fen, reason, created_at, state, refund_id,
    closed_at, next_query_at
)
SELECT new.*, new.created_at FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::text[], $8::timestamptz[], $9::text[],
    $10::text[], $11::timestamptz[]
) AS new (
    out_refund_no, user_id, request_id, input_sha256, out_trade_no, amount_fen, reason, created_at, state, refund_id,
    closed_at
)
ON CONFLICT (out_refund_no) DO UPDATE SET
    state = excluded.state, refund_id = excluded.refund_id, closed_at = excluded.closed_at
"""
