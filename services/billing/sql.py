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

RESERVATIONS = """
SELECT reservations.* FROM reservations
JOIN unnest($1::text[], $2::text[]) AS asked (user_id, request_id) USING (user_id, request_id)
"""

GRANTS = """
SELECT user_id, request_id, amount_micros, reason FROM grants
JOIN unnest($1::text[], $2::text[]) AS asked (user_id, request_id) USING (user_id, request_id)
"""

PUT_RESERVATIONS = """
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
"""

ADD_GRANTS = """
INSERT INTO grants (user_id, request_id, amount_micros, reason)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
"""

ADD_TRANSFERS = """
INSERT INTO transfers (debit_account, credit_account, amount_micros, kind, user_id, request_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
"""

PUT_WALLETS = """
UPDATE wallets SET balance_micros = after.balance, reserved_micros = after.reserved
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS after (user_id, balance, reserved)
WHERE wallets.user_id = after.user_id
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

EXCHANGE_RATE = """
SELECT cny_micros_per_usd FROM exchange_rates WHERE effective_at <= now() ORDER BY effective_at DESC, id DESC LIMIT 1
"""
