-- Books that can be examined: a hash chain over the journal, what each turn cost us, and the hash of what was asked.

-- The head of each chain. A transaction that moves money takes a free chain and extends it, so writers never wait for one
-- another: there are as many chains as there ever were transactions at the same moment.
CREATE TABLE chains (
    id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    length bigint  NOT NULL DEFAULT 0 CHECK (length >= 0),
    sha256 bytea   NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
        CHECK (octet_length(sha256) = 32)
) WITH (fillfactor = 20); -- one row that changes with every transaction; room in the page keeps updates off the index

INSERT INTO chains DEFAULT VALUES;

-- sha256 is over the hash before it and the entry, as chain.py says.
ALTER TABLE transfers
    ADD COLUMN chain_id              integer REFERENCES chains (id),
    ADD COLUMN position              bigint,
    ADD COLUMN sha256                bytea,
    -- The wallet's balance after the entry; NULL when no wallet is part of it.
    ADD COLUMN wallet_balance_micros bigint,
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check
        CHECK (kind IN ('trial', 'grant', 'turn', 'cost', 'reversal', 'topup', 'refund'));

ALTER TABLE transfers DISABLE TRIGGER transfers_are_append_only;

UPDATE transfers SET wallet_balance_micros = after.balance
FROM (
    SELECT id, sum(CASE WHEN debit_account LIKE 'wallet:%' THEN -amount_micros ELSE amount_micros END)
        OVER (PARTITION BY user_id ORDER BY id) AS balance
    FROM transfers
) AS after
WHERE transfers.id = after.id;

DO $$
DECLARE
    entry transfers;
    head  bytea  := (SELECT sha256 FROM chains WHERE id = 1);
    n     bigint := 0;
BEGIN
    FOR entry IN SELECT * FROM transfers ORDER BY id LOOP
        n := n + 1;
        head := sha256(convert_to(concat_ws(E'\n',
            encode(head, 'hex'), 1, n, entry.kind, entry.debit_account, entry.credit_account, entry.amount_micros,
            entry.wallet_balance_micros, entry.user_id, entry.request_id,
            (extract(epoch FROM entry.created_at) * 1000000)::bigint), 'UTF8'));
        UPDATE transfers SET chain_id = 1, position = n, sha256 = head WHERE id = entry.id;
    END LOOP;
    UPDATE chains SET length = n, sha256 = head WHERE id = 1;
END $$;

ALTER TABLE transfers ENABLE TRIGGER transfers_are_append_only;

ALTER TABLE transfers
    ALTER COLUMN chain_id SET NOT NULL,
    ALTER COLUMN position SET NOT NULL,
    ALTER COLUMN sha256 SET NOT NULL,
    ADD CONSTRAINT transfers_by_chain UNIQUE (chain_id, position);

-- A user's statement.
CREATE INDEX transfers_by_wallet ON transfers (user_id, id) WHERE wallet_balance_micros IS NOT NULL;
CREATE INDEX transfers_by_time ON transfers USING brin (created_at);

-- The hash of what was asked: the same request_id with another is a conflict.
ALTER TABLE grants ADD COLUMN input_sha256 bytea;
UPDATE grants SET input_sha256 = sha256(convert_to(concat_ws(E'\n', 'grant', amount_micros, reason), 'UTF8'));
ALTER TABLE grants ALTER COLUMN input_sha256 SET NOT NULL;

ALTER TABLE reservations
    ADD COLUMN input_sha256         bytea,
    ADD COLUMN closing_sha256       bytea,
    ADD COLUMN own_model            boolean NOT NULL DEFAULT false,
    ADD COLUMN source               text CHECK (source IN ('model', 'cache')),
    -- What the provider charges us for the turn, at its list price.
    ADD COLUMN provider_cost_micros bigint CHECK (provider_cost_micros >= 0),
    DROP CONSTRAINT reservations_state_check,
    ADD CONSTRAINT reservations_state_check
        CHECK (state IN ('reserved', 'settled', 'released', 'expired', 'reversed')),
    DROP CONSTRAINT reservations_check2,
    ADD CONSTRAINT reservations_charged CHECK ((state IN ('settled', 'reversed')) = (charged_micros IS NOT NULL));

UPDATE reservations SET
    input_sha256 = sha256(convert_to(concat_ws(E'\n',
        'reserve', input_tokens, max_output_tokens, extract(epoch FROM expires_at - created_at)::bigint, model), 'UTF8')),
    closing_sha256 = CASE WHEN state = 'settled' THEN sha256(convert_to(concat_ws(E'\n',
        'settle', used_input_tokens, used_cached_tokens, used_output_tokens, outcome, 'model'), 'UTF8')) END,
    source = CASE WHEN state = 'settled' THEN 'model' END,
    provider_cost_micros = CASE WHEN state = 'settled' THEN 0 END;

ALTER TABLE reservations ALTER COLUMN input_sha256 SET NOT NULL;

-- A user's usage, and everyone's: turns end at most a day after they began.
-- Partial, so that a look-up of one turn is never planned over all of its user's.
CREATE INDEX reservations_by_user ON reservations (user_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX reservations_by_time ON reservations USING brin (created_at);

-- A model of our own costs nothing by the token, whatever its users pay.
ALTER TABLE prices ADD COLUMN own_model boolean NOT NULL DEFAULT false;
ALTER TABLE prices DISABLE TRIGGER prices_are_append_only;
UPDATE prices SET own_model = true WHERE model = 'smollm2-135m-instruct';
ALTER TABLE prices ENABLE TRIGGER prices_are_append_only;
