"""The ledger's statements, all of them over sets: one of each serves a whole batch."""

WALLET = "SELECT user_id, balance_micros, reserved_micros FROM wallets WHERE user_id = $1"

# In the order of user ids, as every lock is.
CREATE_WALLETS = """
INSERT INTO wallets (user_id) SELECT user_id FROM unnest($1::text[]) AS new (user_id) ORDER BY user_id
ON CONFLICT DO NOTHING
"""

LOCK_WALLETS = """
SELECT user_id, balance_micros, reserved_micros FROM wallets
WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE
"""

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
    SELECT user_id, request_id, amount_micros, reason FROM grants AS g
    WHERE g.user_id = asked.user_id AND g.request_id = asked.request_id LIMIT 1
) AS found
"""

# One statement and so one round trip: what a batch changed in each table, as arrays, one element a row.
WRITE = """
WITH
put_reservations AS (
    INSERT INTO reservations (
        user_id, request_id, model, input_tokens, max_output_tokens, amount_micros,
        input_usd_micros, cached_input_usd_micros, output_usd_micros, markup_basis_points, cny_micros_per_usd,
        state, used_input_tokens, used_cached_tokens, used_output_tokens, outcome, charged_micros,
        created_at, expires_at, closed_at
    )
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::int[], $11::bigint[],
        $12::text[], $13::int[], $14::int[], $15::int[], $16::text[], $17::bigint[],
        $18::timestamptz[], $19::timestamptz[], $20::timestamptz[]
    )
    ON CONFLICT (user_id, request_id) DO UPDATE SET
        state = excluded.state,
        used_input_tokens = excluded.used_input_tokens,
        used_cached_tokens = excluded.used_cached_tokens,
        used_output_tokens = excluded.used_output_tokens,
        outcome = excluded.outcome,
        charged_micros = excluded.charged_micros,
        closed_at = excluded.closed_at
),
add_grants AS (
    INSERT INTO grants (user_id, request_id, amount_micros, reason)
    SELECT * FROM unnest($21::text[], $22::text[], $23::bigint[], $24::text[])
),
add_transfers AS (
    INSERT INTO transfers (debit_account, credit_account, amount_micros, kind, user_id, request_id)
    SELECT * FROM unnest($25::text[], $26::text[], $27::bigint[], $28::text[], $29::text[], $30::text[])
)
UPDATE wallets SET balance_micros = after.balance, reserved_micros = after.reserved
FROM unnest($31::text[], $32::bigint[], $33::bigint[]) AS after (user_id, balance, reserved)
WHERE wallets.user_id = after.user_id AND wallets.user_id = ANY ($31)
"""

OVERDUE = """
SELECT user_id, request_id FROM reservations
WHERE state = 'reserved' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
"""

PRICES = """
SELECT DISTINCT ON (model)
    model, input_usd_micros, cached_input_usd_micros, output_usd_micros, markup_basis_points
FROM prices WHERE effective_at <= now() ORDER BY model, effective_at DESC, id DESC
"""

DOLLAR = """
SELECT cny_micros_per_unit FROM exchange_rates
WHERE currency = 'USD' AND effective_at <= now() ORDER BY effective_at DESC, id DESC LIMIT 1
"""
