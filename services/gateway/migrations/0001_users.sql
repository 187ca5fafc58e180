-- Who may use the gateway, and with which secrets. Of every secret only the SHA-256 is kept.

CREATE TABLE users (
    id            text        PRIMARY KEY CHECK (id ~ '^usr_[0-9a-f]{24}$'),
    -- A user of the mini-program, as WeChat knows them.
    wechat_openid text        UNIQUE,
    -- A developer, as the operator called them.
    name          text        UNIQUE CHECK (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(wechat_openid, name) > 0)
);

CREATE TABLE api_keys (
    sha256     bytea       PRIMARY KEY CHECK (octet_length(sha256) = 32),
    user_id    text        NOT NULL REFERENCES users (id),
    label      text        NOT NULL CHECK (char_length(label) BETWEEN 1 AND 64),
    -- The beginning of the key, to tell keys apart when they are listed.
    prefix     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE INDEX api_keys_by_user ON api_keys (user_id, label);

-- One login is one family; each refresh uses up one token of it and adds the next. A token that comes back after it
-- was used is in two hands: the whole family ends.
CREATE TABLE refresh_tokens (
    sha256     bytea       PRIMARY KEY CHECK (octet_length(sha256) = 32),
    family     uuid        NOT NULL,
    user_id    text        NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    revoked_at timestamptz
);

CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id);
