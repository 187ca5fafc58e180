-- Usage figures of providers that could not be true, and ours for the same turn: for somebody to look at, and to show
-- to the provider. Nothing reads them; rows older than a quarter may be deleted at any time.
CREATE TABLE quarantined_usage (
    request_id            text        NOT NULL,
    user_id               text        NOT NULL,
    model                 text        NOT NULL,
    reported_input        bigint      NOT NULL,
    reported_cached_input bigint      NOT NULL,
    reported_output       bigint      NOT NULL,
    counted_input         bigint      NOT NULL,
    counted_output        bigint      NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX quarantined_usage_by_time ON quarantined_usage (created_at);
