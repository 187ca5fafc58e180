-- A conversation's id is its user's own: two users may have the same, and neither learns of the other.
--
-- Messages are partitioned by user: every statement names one, so it touches one partition, and a name that many
-- users give their conversations does not gather all of them in one place.
--
-- Nobody may write meanwhile: what came after the copy would be dropped with the old tables.
LOCK TABLE conversations, messages, summaries IN ACCESS EXCLUSIVE MODE;

CREATE TEMPORARY TABLE messages_kept ON COMMIT DROP AS
SELECT c.user_id, m.* FROM messages m JOIN conversations c ON c.id = m.conversation_id;

CREATE TEMPORARY TABLE summaries_kept ON COMMIT DROP AS
SELECT c.user_id, s.* FROM summaries s JOIN conversations c ON c.id = s.conversation_id;

DROP TABLE messages;
DROP TABLE summaries;

ALTER TABLE conversations DROP CONSTRAINT conversations_pkey;
ALTER TABLE conversations ADD PRIMARY KEY (user_id, id);

CREATE TABLE messages (
    user_id         text        NOT NULL,
    conversation_id text        NOT NULL,
    number          integer     NOT NULL,
    -- The message that it follows; 0 when it begins a branch.
    parent          integer     NOT NULL,
    role            text        NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
    content         text        NOT NULL,
    -- The whole message, as OpenAI's API has it, when it is more than text.
    json            text        NOT NULL DEFAULT '',
    -- How whole an answer is: complete, length, interrupted; '' for what is no answer.
    state           text        NOT NULL DEFAULT '' CHECK (state IN ('', 'complete', 'length', 'interrupted')),
    -- The turn that it is of, and the model that wrote it.
    request_id      text        NOT NULL DEFAULT '',
    model           text        NOT NULL DEFAULT '',
    -- Tokens of the content in `encoding`, counted once when the message was written.
    tokens          integer     NOT NULL,
    encoding        text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, conversation_id, number),
    FOREIGN KEY (user_id, conversation_id) REFERENCES conversations (user_id, id),
    CHECK (parent >= 0 AND parent < number)
) PARTITION BY HASH (user_id);

CREATE TABLE messages_0 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE messages_1 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE messages_2 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE messages_3 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE messages_4 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE messages_5 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE messages_6 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE messages_7 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 7);

INSERT INTO messages (
    user_id, conversation_id, number, parent, role, content, json, state, request_id, model, tokens, encoding, created_at
)
SELECT user_id, conversation_id, number, parent, role, content, json, state, request_id, model, tokens, encoding,
       created_at
FROM messages_kept;

-- What came before the messages that fit into a prompt, in short. A summary covers the branch up to the message `upto`.
CREATE TABLE summaries (
    user_id         text        NOT NULL,
    conversation_id text        NOT NULL,
    upto            integer     NOT NULL,
    content         text        NOT NULL,
    tokens          integer     NOT NULL,
    encoding        text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, conversation_id, upto),
    FOREIGN KEY (user_id, conversation_id) REFERENCES conversations (user_id, id)
);

INSERT INTO summaries (user_id, conversation_id, upto, content, tokens, encoding, created_at)
SELECT user_id, conversation_id, upto, content, tokens, encoding, created_at FROM summaries_kept;
