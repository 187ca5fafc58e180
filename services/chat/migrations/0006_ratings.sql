-- What a user thinks of an answer: up, down, or '' when they have not said.
ALTER TABLE messages ADD COLUMN rating text NOT NULL DEFAULT '' CHECK (rating IN ('', 'up', 'down'));
