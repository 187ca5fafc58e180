-- Stored word lists with their versions, and the audit.

-- Every change of the stored lists makes a version: 1, 2, 3, … without a gap.
CREATE TABLE list_versions (
    version bigint PRIMARY KEY CHECK (version > 0),
    change text NOT NULL,
    author text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A list as it was from one version on, up to and without another: none is ever changed or deleted, so that every
-- earlier version can be returned to.
CREATE TABLE lists (
    name text NOT NULL CHECK (name ~ '^[a-z0-9_-]{1,64}$'),
    from_version bigint NOT NULL REFERENCES list_versions,
    until_version bigint REFERENCES list_versions CHECK (until_version > from_version),
    format text NOT NULL CHECK (format IN ('txt', 'csv')),
    label integer NOT NULL,
    tier text NOT NULL CHECK (tier IN ('block', 'review', 'log', 'allow')),
    content bytea NOT NULL,
    entries integer NOT NULL CHECK (entries >= 0),
    author text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, from_version)
);
CREATE UNIQUE INDEX lists_in_force ON lists (name) WHERE until_version IS NULL;

CREATE TABLE refusals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL CHECK (action IN ('refused', 'referred', 'logged')),
    direction text NOT NULL CHECK (direction IN ('input', 'output')),
    layer text NOT NULL CHECK (layer IN ('lexicon', 'wechat', 'openai')),
    rule text NOT NULL,
    label integer NOT NULL,
    evasion text NOT NULL,
    start_at integer NOT NULL,
    end_at integer NOT NULL CHECK (end_at >= start_at),
    text_sha256 bytea NOT NULL CHECK (octet_length(text_sha256) = 32),
    -- The text, encrypted; null unless texts are kept.
    text_sealed bytea,
    request_id text NOT NULL,
    trace_id text NOT NULL,
    user_id text NOT NULL,
    version text NOT NULL,
    appealed_at timestamptz
);
CREATE INDEX refusals_by_time ON refusals (created_at, id);
CREATE INDEX refusals_by_user ON refusals (user_id, id);
CREATE INDEX refusals_by_request ON refusals (request_id, id);
CREATE INDEX refusals_by_text ON refusals (text_sha256, id);
