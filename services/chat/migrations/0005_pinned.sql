-- Users pin the conversations that they want to find first. The list stays one walk along one index.
ALTER TABLE conversations ADD COLUMN pinned boolean NOT NULL DEFAULT false;

DROP INDEX conversations_by_user;
CREATE INDEX conversations_by_user ON conversations (user_id, pinned DESC, updated_at DESC, id DESC)
    WHERE deleted_at IS NULL;
