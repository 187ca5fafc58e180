-- Conversations and their messages.
--
-- `message_count` numbers the messages (they are 1…message_count) and is the version by which Redis' copy of the
-- latest ones is compared. A row lock on the conversation orders turns that end at the same time.
CREATE TABLE conversations (
    id            text        PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
    user_id       text        NOT NULL,
    message_count integer     NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX conversations_by_user ON conversations (user_id, updated_at DESC);

CREATE TABLE messages (
    conversation_id text        NOT NULL REFERENCES conversations (id),
    number          integer     NOT NULL,
    role            text        NOT NULL CHECK (role IN ('user', 'assistant')),
    content         text        NOT NULL,
    -- Tokens of the content in `encoding`, counted once when the message was written.
    tokens          integer     NOT NULL,
    encoding        text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, number)
);
