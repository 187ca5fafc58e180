"""The statements of the books; all of them only read."""

TRANSFERS_BY_CHAIN = """
SELECT id, debit_account, credit_account, amount_micros, kind, user_id, request_id, wallet_balance_micros,
    chain_id, position, sha256, created_at
FROM transfers ORDER BY chain_id, position
"""

CHAINS = "SELECT id AS chain_id, length AS chain_length, sha256 AS chain_sha256 FROM chains ORDER BY id"

WALLETS_COUNT = "SELECT count(*) FROM wallets"

# Each entry of a wallet continues from the one before it.
RUNNING_BALANCES = """
SELECT id, user_id, wallet_balance_micros, expected FROM (
    SELECT id, user_id, wallet_balance_micros,
        coalesce(lag(wallet_balance_micros) OVER wallet, 0)
            + CASE WHEN credit_account LIKE 'wallet:%' THEN amount_micros ELSE -amount_micros END AS expected
    FROM transfers WHERE wallet_balance_micros IS NOT NULL
    WINDOW wallet AS (PARTITION BY user_id ORDER BY id)
) AS entry
WHERE wallet_balance_micros <> expected LIMIT $1
"""

WALLET_BALANCES = """
WITH journal AS (
    SELECT user_id, sum(CASE WHEN credit_account LIKE 'wallet:%' THEN amount_micros ELSE -amount_micros END) AS balance
    FROM transfers WHERE wallet_balance_micros IS NOT NULL GROUP BY user_id
)
SELECT user_id, balance_micros, coalesce(balance, 0) AS expected
FROM wallets FULL JOIN journal USING (user_id)
WHERE balance_micros IS DISTINCT FROM coalesce(balance, 0) LIMIT $1
"""

WALLET_RESERVES = """
WITH held AS (
    SELECT user_id, sum(amount) AS reserved FROM (
        SELECT user_id, amount_micros AS amount FROM reservations WHERE state = 'reserved'
        UNION ALL
        SELECT user_id, amount_fen::bigint * 10000 FROM refunds WHERE state IN ('held', 'abnormal')
    ) AS hold GROUP BY user_id
)
SELECT user_id, reserved_micros, coalesce(reserved, 0) AS expected
FROM wallets FULL JOIN held USING (user_id)
WHERE reserved_micros IS DISTINCT FROM coalesce(reserved, 0) LIMIT $1
"""

# Open although its time was over long ago: nobody will free it.
ORPHANS = """
SELECT user_id, request_id, expires_at FROM reservations
WHERE state = 'reserved' AND expires_at < now() - make_interval(secs => $2) ORDER BY expires_at LIMIT $1
"""

CHARGED_TURNS = "SELECT * FROM reservations WHERE charged_micros IS NOT NULL"

# What every record must have moved, against what the journal moved.
RECORDS = """
WITH expected AS (
    SELECT user_id, request_id, 'turn' AS kind, charged_micros AS amount
    FROM reservations WHERE charged_micros > 0
    UNION ALL
    SELECT user_id, request_id, 'cost', provider_cost_micros FROM reservations WHERE provider_cost_micros > 0
    UNION ALL
    SELECT user_id, request_id, 'reversal', charged_micros
    FROM reservations WHERE state = 'reversed' AND charged_micros > 0
    UNION ALL
    SELECT user_id, request_id, CASE request_id WHEN 'trial:credit' THEN 'trial' ELSE 'grant' END, amount_micros
    FROM grants WHERE amount_micros > 0
    UNION ALL
    SELECT user_id, out_trade_no, 'topup', amount_fen::bigint * 10000 FROM orders WHERE state IN ('paid', 'refunded')
    UNION ALL
    SELECT user_id, out_refund_no, 'refund', amount_fen::bigint * 10000 FROM refunds WHERE state = 'done'
)
SELECT user_id, request_id, kind, expected.amount AS expected, transfers.amount_micros AS moved
FROM expected FULL JOIN transfers USING (user_id, request_id, kind)
WHERE expected.amount IS DISTINCT FROM transfers.amount_micros LIMIT $1
"""

REFUNDED = """
WITH done AS (
    SELECT out_trade_no, sum(amount_fen) AS fen FROM refunds WHERE state = 'done' GROUP BY out_trade_no
)
SELECT out_trade_no, refunded_fen, coalesce(fen, 0) AS expected FROM orders LEFT JOIN done USING (out_trade_no)
WHERE refunded_fen <> coalesce(fen, 0) LIMIT $1
"""

TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('billing.verify'))"

# A user's statement, the newest first. A span of time begins with the first entry that is not before it, and ends
# before the first that is not within it: entries of two processes whose clocks differ stay in order.
TRANSACTIONS = """
WITH wallet AS (
    SELECT id, kind, amount_micros, credit_account, wallet_balance_micros, request_id, created_at FROM transfers
    WHERE user_id = $1 AND wallet_balance_micros IS NOT NULL
)
SELECT * FROM wallet
WHERE id < $2
    AND ($3::timestamptz IS NULL OR id >= (SELECT min(id) FROM wallet WHERE created_at >= $3))
    AND ($4::timestamptz IS NULL OR id < coalesce((SELECT min(id) FROM wallet WHERE created_at >= $4), $2))
ORDER BY id DESC LIMIT $5
"""

# Days are China's.
USAGE = """
SELECT ((closed_at AT TIME ZONE 'UTC') + interval '8 hours')::date AS day, model, count(*) AS turns,
    sum(used_input_tokens) AS input_tokens, sum(used_cached_tokens) AS cached_input_tokens,
    sum(used_output_tokens) AS output_tokens, sum(charged_micros) AS charged
FROM reservations WHERE user_id = $1 AND closed_at >= $2 AND closed_at < $3 AND state = 'settled'
GROUP BY day, model ORDER BY day DESC, model
"""

# A reservation holds for a day at most, so a turn's begin tells where in the table it can be. The second day is for
# turns that were settled late, before the sweeper came by.
COSTS = """
SELECT count(*) AS questions,
    count(*) FILTER (WHERE source = 'cache') AS cached_questions,
    count(*) FILTER (WHERE source = 'model' AND own_model) AS own_model_questions,
    coalesce(sum(provider_cost_micros), 0) AS provider_cost,
    coalesce(sum(charged_micros) FILTER (WHERE state = 'settled'), 0) AS revenue
FROM reservations
WHERE created_at >= $1::timestamptz - interval '2 days' AND created_at < $2 AND closed_at >= $1 AND closed_at < $2
    AND state IN ('settled', 'reversed')
"""

USERS_24H = """
SELECT
    (SELECT count(DISTINCT user_id) FROM reservations WHERE created_at >= now() - interval '24 hours') AS active,
    count(DISTINCT user_id) FILTER (WHERE kind = 'trial') AS new,
    count(DISTINCT user_id) FILTER (WHERE kind = 'topup') AS paying
FROM transfers WHERE created_at >= now() - interval '24 hours'
"""

MOVED_24H = """
SELECT kind, sum(amount_micros)::bigint AS amount FROM transfers
WHERE created_at >= now() - interval '24 hours' GROUP BY kind
"""
