-- What an API key is for, until when, and when it was used last; an id that its owner can name it by.

ALTER TABLE api_keys
    ADD COLUMN id           text NOT NULL DEFAULT 'key_' || replace(gen_random_uuid()::text, '-', ''),
    -- NULL: all that keys may.
    ADD COLUMN scopes       text[],
    ADD COLUMN expires_at   timestamptz,
    -- To the minute.
    ADD COLUMN last_used_at timestamptz;

CREATE UNIQUE INDEX api_keys_by_id ON api_keys (id);
