-- Wallets, reservations and the journal. Every amount is micro-yuan (CNY × 10⁻⁶) in bigint.

-- The projection of the journal on users. The CHECK says once more what the ledger's rules say: a wallet cannot go
-- below zero, and cannot set aside what it has not.
CREATE TABLE wallets (
    user_id         text        PRIMARY KEY CHECK (user_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    balance_micros  bigint      NOT NULL DEFAULT 0,
    reserved_micros bigint      NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (reserved_micros >= 0 AND balance_micros >= reserved_micros)
) WITH (fillfactor = 70); -- rows change often; room in the page keeps updates off the index

-- One row a turn: what was set aside, at which price, and how it ended. request_id is the caller's, unique per user.
CREATE TABLE reservations (
    user_id                 text        NOT NULL REFERENCES wallets (user_id),
    request_id              text        NOT NULL,
    model                   text        NOT NULL,
    input_tokens            integer     NOT NULL,
    max_output_tokens       integer     NOT NULL,
    amount_micros           bigint      NOT NULL CHECK (amount_micros >= 0),
    -- The price of the reservation is the price of the whole turn; see pricing.py for the units.
    input_usd_micros        bigint      NOT NULL,
    cached_input_usd_micros bigint      NOT NULL,
    output_usd_micros       bigint      NOT NULL,
    markup_basis_points     integer     NOT NULL,
    cny_micros_per_usd      bigint      NOT NULL,
    state                   text        NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'expired')),
    used_input_tokens       integer,
    used_cached_tokens      integer,
    used_output_tokens      integer,
    outcome                 text,
    charged_micros          bigint,
    created_at              timestamptz NOT NULL,
    expires_at              timestamptz NOT NULL,
    closed_at               timestamptz,
    PRIMARY KEY (user_id, request_id),
    CHECK (charged_micros IS NULL OR charged_micros BETWEEN 0 AND amount_micros),
    CHECK ((state = 'reserved') = (closed_at IS NULL)),
    CHECK ((state = 'settled') = (charged_micros IS NOT NULL))
) WITH (fillfactor = 80);

CREATE INDEX reservations_overdue ON reservations (expires_at) WHERE state = 'reserved';

CREATE TABLE grants (
    user_id       text        NOT NULL REFERENCES wallets (user_id),
    request_id    text        NOT NULL,
    amount_micros bigint      NOT NULL CHECK (amount_micros >= 0),
    reason        text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, request_id)
);

-- The journal: one row a transfer, from one account to another, so it balances by construction.
CREATE TABLE transfers (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit_account  text        NOT NULL,
    credit_account text        NOT NULL,
    amount_micros  bigint      NOT NULL CHECK (amount_micros > 0),
    kind           text        NOT NULL CHECK (kind IN ('trial', 'grant', 'turn')),
    user_id        text        NOT NULL REFERENCES wallets (user_id),
    request_id     text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (debit_account <> credit_account),
    -- A request moves money once.
    UNIQUE (user_id, request_id, kind)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME;
END $$;

CREATE TRIGGER transfers_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
