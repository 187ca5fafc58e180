-- A person who comes back is a new user, and is not given trial credit again: for some time a keyed digest of the openid
-- is kept, which is of no use without the gateway's secret.
ALTER TABLE erased_users ADD COLUMN openid_mark bytea CHECK (octet_length(openid_mark) = 32);
-- When a replica last asked other services to erase theirs: whoever waits longest is next.
ALTER TABLE erased_users ADD COLUMN tried_at timestamptz;

CREATE INDEX erased_users_by_mark ON erased_users (openid_mark) WHERE openid_mark IS NOT NULL;
