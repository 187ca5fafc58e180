-- Conversations get titles and branches, and can be deleted; messages are partitioned.
--
-- Messages of a conversation are a tree: each follows its `parent`, and `head` is the one that the next turn follows.
-- What was written before is one branch. A deleted conversation keeps its row, so that its id is not given out again and
-- no turn that ends later brings it back; its messages are purged some days afterwards.
ALTER TABLE conversations
    ADD COLUMN title      text        NOT NULL DEFAULT '',
    ADD COLUMN head       integer     NOT NULL DEFAULT 0,
    ADD COLUMN deleted_at timestamptz;

UPDATE conversations SET head = message_count;

DROP INDEX conversations_by_user;
CREATE INDEX conversations_by_user ON conversations (user_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE messages RENAME TO messages_unbranched;
ALTER TABLE messages_unbranched RENAME CONSTRAINT messages_pkey TO messages_unbranched_pkey;

-- Partitioned by conversation: every statement names one, so it touches one partition. When they become too large for one
-- server, the partitions are what moves.
CREATE TABLE messages (
    conversation_id text        NOT NULL REFERENCES conversations (id),
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
    PRIMARY KEY (conversation_id, number),
    CHECK (parent >= 0 AND parent < number)
) PARTITION BY HASH (conversation_id);

CREATE TABLE messages_0 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE messages_1 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE messages_2 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE messages_3 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE messages_4 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE messages_5 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE messages_6 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE messages_7 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 7);

INSERT INTO messages (conversation_id, number, parent, role, content, state, tokens, encoding, created_at)
SELECT conversation_id, number, number - 1, role, content,
       CASE role WHEN 'assistant' THEN 'complete' ELSE '' END, tokens, encoding, created_at
FROM messages_unbranched;

DROP TABLE messages_unbranched;

-- What came before the messages that fit into a prompt, in short. A summary covers the branch up to the message `upto`.
CREATE TABLE summaries (
    conversation_id text        NOT NULL REFERENCES conversations (id),
    upto            integer     NOT NULL,
    content         text        NOT NULL,
    tokens          integer     NOT NULL,
    encoding        text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, upto)
);
