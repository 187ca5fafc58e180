-- Users who had their data erased: nothing but their id, by which the ledger goes on knowing them. Their sessions end by
-- it, for an access token is believed without being looked up.
CREATE TABLE erased_users (
    id          text        PRIMARY KEY,
    erased_at   timestamptz NOT NULL DEFAULT now(),
    -- When the other services had erased theirs, what was written while it was done included.
    finished_at timestamptz
);

CREATE INDEX erased_users_by_time ON erased_users (erased_at);
