"""The ledger's statements, all of them over sets: one of each serves a whole batch."""

WALLET = "SELECT user_id, balance_micros, reserved_micros FROM wallets WHERE user_id = $1"

TOPPED_UP = "SELECT EXISTS (SELECT FROM orders WHERE user_id = $1 AND paid_at IS NOT NULL)"

# In the order of user ids, as every lock is.
CREATE_WALLETS = """
INSERT INTO wallets (user_id) SELECT user_id FROM unnest($1::text[]) AS new (user_id) ORDER BY user_id
ON CONFLICT DO NOTHING
"""

LOCK_WALLETS = """
SELECT user_id, balance_micros, reserved_micros FROM wallets
WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE
"""

# Any chain that nobody extends at this moment; the lock is held until the entries are committed.
LOCK_WALLETS_AND_CHAIN = """
WITH chain AS MATERIALIZED (SELECT id, length, sha256 FROM chains ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
SELECT wallet.*, chain.id AS chain_id, chain.length AS chain_length, chain.sha256 AS chain_sha256
FROM (
    SELECT user_id, balance_micros, reserved_micros FROM wallets
    WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE
) AS wallet
LEFT JOIN chain ON true
"""

ADD_CHAIN = "INSERT INTO chains DEFAULT VALUES RETURNING id AS chain_id, length AS chain_length, sha256 AS chain_sha256"

# LATERAL … LIMIT 1 is a look-up in the index for each row. A plain join would be planned while the table is empty, as a
# scan of all of it, and that plan would be kept while the table grows.
RESERVATIONS = """
SELECT found.* FROM unnest($1::text[], $2::text[]) AS asked (user_id, request_id)
CROSS JOIN LATERAL (
    SELECT * FROM reservations AS r WHERE r.user_id = asked.user_id AND r.request_id = asked.request_id LIMIT 1
) AS found
"""

GRANTS = """
SELECT found.* FROM unnest($1::text[], $2::text[]) AS asked (user_id, request_id)
CROSS JOIN LATERAL (
    SELECT user_id, request_id, input_sha256, amount_micros, reason FROM grants AS g
    WHERE g.user_id = asked.user_id AND g.request_id = asked.request_id LIMIT 1
) AS found
"""

# One statement and so one round trip: what a batch changed in each table, as arrays, one element a row.
WRITE = """
WITH
put_reservations AS (
    INSERT INTO reservations (
        user_id, request_id, input_sha256, model, input_tokens, max_output_tokens, amount_micros,
        input_usd_micros, cached_input_usd_micros, output_usd_micros, markup_basis_points, cny_micros_per_usd,
        own_model, state, used_input_tokens, used_cached_tokens, used_output_tokens, outcome, source,
        charged_micros, provider_cost_micros, lost_input_tokens, lost_cached_tokens, lost_output_tokens,
        closing_sha256, created_at, expires_at, closed_at
    )
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::bytea[], $4::text[], $5::int[], $6::int[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::int[], $12::bigint[],
        $13::boolean[], $14::text[], $15::int[], $16::int[], $17::int[], $18::text[], $19::text[],
        $20::bigint[], $21::bigint[], $22::int[], $23::int[], $24::int[],
        $25::bytea[], $26::timestamptz[], $27::timestamptz[], $28::timestamptz[]
    )
    ON CONFLICT (user_id, request_id) DO UPDATE SET
        state = excluded.state,
        used_input_tokens = excluded.used_input_tokens,
        used_cached_tokens = excluded.used_cached_tokens,
        used_output_tokens = excluded.used_output_tokens,
        outcome = excluded.outcome,
        source = excluded.source,
        charged_micros = excluded.charged_micros,
        provider_cost_micros = excluded.provider_cost_micros,
        lost_input_tokens = excluded.lost_input_tokens,
        lost_cached_tokens = excluded.lost_cached_tokens,
        lost_output_tokens = excluded.lost_output_tokens,
        closing_sha256 = excluded.closing_sha256,
        closed_at = excluded.closed_at
),
add_grants AS (
    INSERT INTO grants (user_id, request_id, input_sha256, amount_micros, reason)
    SELECT * FROM unnest($29::text[], $30::text[], $31::bytea[], $32::bigint[], $33::text[])
),
add_transfers AS (
    INSERT INTO transfers (
        debit_account, credit_account, amount_micros, kind, user_id, request_id, wallet_balance_micros,
        chain_id, position, sha256, created_at
    )
    SELECT new.*, $46 FROM unnest(
        $34::text[], $35::text[], $36::bigint[], $37::text[], $38::text[], $39::text[], $40::bigint[],
        $41::int[], $42::bigint[], $43::bytea[]
    ) AS new
),
extend_chain AS (
    UPDATE chains SET length = $44, sha256 = $45 WHERE id = ($41::int[])[1]
)
UPDATE wallets SET balance_micros = after.balance, reserved_micros = after.reserved
FROM unnest($47::text[], $48::bigint[], $49::bigint[]) AS after (user_id, balance, reserved)
WHERE wallets.user_id = after.user_id AND wallets.user_id = ANY ($47)
"""

OVERDUE = """
SELECT user_id, request_id FROM reservations
WHERE state = 'reserved' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
"""

OPEN_RESERVATIONS = """
SELECT count(*) AS open, count(*) FILTER (WHERE expires_at < now()) AS overdue,
    coalesce(sum(amount_micros), 0)::bigint AS held,
    coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_age_s
FROM reservations WHERE state = 'reserved'
"""

PRICES = """
SELECT DISTINCT ON (model)
    model, input_usd_micros, cached_input_usd_micros, output_usd_micros, markup_basis_points, own_model, effective_at
FROM prices WHERE effective_at <= now() ORDER BY model, effective_at DESC, id DESC
"""

ADD_PRICE = """
INSERT INTO prices (
    model, input_usd_micros, cached_input_usd_micros, output_usd_micros, markup_basis_points, own_model, source,
    effective_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

DOLLAR = """
SELECT cny_micros_per_unit, source, effective_at FROM exchange_rates
WHERE currency = 'USD' AND effective_at <= now() ORDER BY effective_at DESC, id DESC LIMIT 1
"""

ADD_RATE = "INSERT INTO exchange_rates (currency, cny_micros_per_unit, source) VALUES ('USD', $1, $2)"
