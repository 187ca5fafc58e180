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
WHERE out_trade_no = ANY (ARRAY(
    SELECT unnest($1::text[])
    UNION SELECT out_trade_no FROM refunds WHERE out_refund_no = ANY ($2::text[])
    UNION SELECT out_trade_no FROM orders WHERE user_id = ANY ($3::text[]) AND state IN ('paid', 'refunded')
))
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
SELECT new.*, new.created_at + interval '15 seconds' FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::text[], $8::timestamptz[], $9::text[],
    $10::text[], $11::timestamptz[]
) AS new (
    out_refund_no, user_id, request_id, input_sha256, out_trade_no, amount_fen, reason, created_at, state, refund_id,
    closed_at
)
ON CONFLICT (out_refund_no) DO UPDATE SET
    state = excluded.state, refund_id = excluded.refund_id, closed_at = excluded.closed_at
"""

# Outside of the ledger's transactions: nothing here touches a wallet.

PACKAGES = """
SELECT id, name_zh, name_en, tokens, usd_micros_per_million, virtual_product_id, virtual_amount_fen
FROM packages WHERE active ORDER BY tokens, id
"""

# One user's orders are added one after the other, so that they can be counted.
LOCK_BUYER = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

# A wallet is made for whoever buys before they had one. Nothing is inserted for a request_id that was used, nor for a
# user who has too many orders waiting.
ADD_ORDER = f"""
WITH wallet AS (INSERT INTO wallets (user_id) VALUES ($2) ON CONFLICT DO NOTHING)
INSERT INTO orders (
    out_trade_no, user_id, request_id, input_sha256, channel, package_id, tokens, amount_fen, description, openid,
    client_ip, created_at, expires_at, state, virtual_product_id, next_query_at
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'created', $14, $15
WHERE (SELECT count(*) FROM orders WHERE user_id = $2 AND state IN ('created', 'paying') AND expires_at > $12) < $16
ON CONFLICT (user_id, request_id) DO NOTHING
RETURNING {ORDER_COLUMNS}
"""  # noqa: S608  # our own column list

ORDER_OF_REQUEST = f"SELECT {ORDER_COLUMNS} FROM orders WHERE user_id = $1 AND request_id = $2"  # noqa: S608  # as above

ORDER_OF_TRANSACTION = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE transaction_id = $1 AND transaction_id <> ''
"""  # noqa: S608  # as above

ORDER = f"SELECT {ORDER_COLUMNS} FROM orders WHERE out_trade_no = $1"  # noqa: S608  # as above

ORDERS = f"""
SELECT {ORDER_COLUMNS} FROM orders
WHERE ($1 = '' OR user_id = $1) AND ($2 = '' OR state = $2)
    AND ($3::timestamptz IS NULL OR (created_at, out_trade_no) < ($3, $4))
ORDER BY created_at DESC, out_trade_no DESC LIMIT $5
"""  # noqa: S608  # as above

ANNOUNCED = f"""
UPDATE orders SET state = 'paying', parameters = $2 WHERE out_trade_no = $1 AND state = 'created'
RETURNING {ORDER_COLUMNS}
"""  # noqa: S608  # as above

CLOSED = f"""
UPDATE orders SET state = 'closed', parameters = '{{}}' WHERE out_trade_no = $1 AND state = ANY ($2::text[])
RETURNING {ORDER_COLUMNS}
"""  # noqa: S608  # as above

# Whoever gets a row asks the provider; the others need not.
CLAIM_ORDER = """
UPDATE orders SET queried_at = $2
WHERE out_trade_no = $1 AND state = 'paying' AND (queried_at IS NULL OR queried_at <= $3)
RETURNING out_trade_no
"""

# Each time a row is taken the next time is further away: $2 seconds, doubled, at most $3; but not beyond the moment at
# which the order expires, when it is to be closed.
CLAIM_DUE_ORDERS = f"""
UPDATE orders SET
    queried_at = $1, queries = queries + 1,
    next_query_at = least(
        $1 + make_interval(secs => least($2 * 2.0 ^ least(queries + 1, 20), $3)),
        CASE WHEN expires_at > $1 THEN expires_at END
    )
WHERE out_trade_no = ANY (ARRAY(
    SELECT out_trade_no FROM orders
    WHERE state IN ('created', 'paying') AND next_query_at <= $1 AND channel = ANY ($5::text[])
    ORDER BY next_query_at LIMIT $4 FOR UPDATE SKIP LOCKED
))
RETURNING {ORDER_COLUMNS}
"""  # noqa: S608  # as above

REFUND = f"SELECT {REFUND_COLUMNS} FROM refunds WHERE out_refund_no = $1"  # noqa: S608  # as above

CLAIM_DUE_REFUNDS = f"""
UPDATE refunds SET
    queries = queries + 1, next_query_at = $1 + make_interval(secs => least($2 * 2.0 ^ least(queries + 1, 20), $3))
WHERE out_refund_no = ANY (ARRAY(
    SELECT refund.out_refund_no FROM refunds AS refund JOIN orders USING (out_trade_no)
    WHERE refund.state IN ('held', 'abnormal') AND refund.next_query_at <= $1 AND orders.channel = ANY ($5::text[])
    ORDER BY refund.next_query_at LIMIT $4 FOR UPDATE OF refund SKIP LOCKED
))
RETURNING {REFUND_COLUMNS}
"""  # noqa: S608  # as above

CALLBACK_SEEN = "SELECT EXISTS (SELECT FROM callbacks WHERE provider = $1 AND nonce = $2)"
REMEMBER_CALLBACK = """
INSERT INTO callbacks (provider, nonce, out_trade_no) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
FORGET_CALLBACKS = "DELETE FROM callbacks WHERE received_at < $1"

ADD_INCIDENT = """
INSERT INTO payment_incidents (provider, problem, out_trade_no, reference, facts) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
INCIDENT_SEEN = """
SELECT EXISTS (SELECT FROM payment_incidents WHERE provider = $1 AND problem = $2 AND out_trade_no = $3)
"""

# What a provider's channels took and gave back in a span of time, and what its bill names: a bill can be of several
# providers, and its clock is not ours.
PAID_ON = f"""
SELECT {ORDER_COLUMNS} FROM orders
WHERE paid_at >= $1 AND paid_at < $2 AND channel = ANY ($3::text[])
    OR paid_at IS NOT NULL AND out_trade_no = ANY ($4::text[])
"""  # noqa: S608  # as above

REFUNDED_ON = """
SELECT refund.* FROM refunds AS refund JOIN orders USING (out_trade_no)
WHERE refund.created_at >= $1 AND refund.created_at < $2 AND orders.channel = ANY ($3::text[])
    OR refund.out_refund_no = ANY ($4::text[])
"""

PUT_RECONCILIATION = """
INSERT INTO reconciliations (provider, day, report) VALUES ($1, $2, $3)
ON CONFLICT (provider, day) DO UPDATE SET report = excluded.report, made_at = now()
"""
RECONCILED = "SELECT EXISTS (SELECT FROM reconciliations WHERE provider = $1 AND day = $2)"
