"""Every statement about conversations."""

# Who owns a conversation, whether it was deleted, how many messages it has, and the last one of its current branch.
OWNER = "SELECT user_id, deleted_at, message_count, head FROM conversations WHERE id = $1"

# The messages that lead to one, oldest first: as many as are asked for, and as much text. Each step is a lookup in the
# primary key of one partition.
PATH = """
WITH RECURSIVE path AS (
    SELECT number, parent, role, content, json, tokens, encoding, state, 1 AS depth,
           length(content) + length(json) AS characters
    FROM messages WHERE conversation_id = $1 AND number = $2::int
    UNION ALL
    SELECT m.number, m.parent, m.role, m.content, m.json, m.tokens, m.encoding, m.state, path.depth + 1,
           path.characters + length(m.content) + length(m.json)
    FROM path JOIN messages m ON m.conversation_id = $1 AND m.number = path.parent
    WHERE path.depth < $3::int AND path.characters < $4::int
)
SELECT number, parent, role, content, json, tokens, encoding, state FROM path ORDER BY depth DESC
"""

# The latest summary that covers a part of a branch: of messages that are on it, or came before what was read of it.
SUMMARY = """
SELECT upto, content, tokens, encoding FROM summaries
WHERE conversation_id = $1 AND upto = ANY ($2::int[]) ORDER BY upto DESC LIMIT 1
"""

# The numbers of a whole branch, newest first.
BRANCH = """
WITH RECURSIVE path AS (
    SELECT number, parent FROM messages WHERE conversation_id = $1 AND number = $2::int
    UNION ALL
    SELECT m.number, m.parent FROM path JOIN messages m ON m.conversation_id = $1 AND m.number = path.parent
)
SELECT number FROM path
"""

HAS_SUMMARIES = "SELECT EXISTS (SELECT FROM summaries WHERE conversation_id = $1)"

PUT_SUMMARY = """
INSERT INTO summaries (conversation_id, upto, content, tokens, encoding)
SELECT id, $3, $4, $5, $6 FROM conversations WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
ON CONFLICT (conversation_id, upto) DO UPDATE
SET content = excluded.content, tokens = excluded.tokens, encoding = excluded.encoding, created_at = now()
"""

# Turns of a conversation that end together append one after the other.
LOCK = "SELECT user_id, deleted_at, message_count, head FROM conversations WHERE id = $1 FOR UPDATE"

ENSURE = "INSERT INTO conversations (id, user_id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"

ADVANCE = """
UPDATE conversations
SET message_count = $2, head = $2, title = CASE title WHEN '' THEN $3 ELSE title END, updated_at = now()
WHERE id = $1
"""

APPEND = """
INSERT INTO messages (
    conversation_id, number, parent, role, content, json, state, request_id, model, tokens, encoding
)
SELECT $1, $2::int + position, CASE position WHEN 1 THEN $3::int ELSE $2::int + position - 1 END,
       role, content, json, state, $4, model, tokens, encoding
FROM unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int[], $11::text[])
    WITH ORDINALITY AS new (role, content, json, state, model, tokens, encoding, position)
"""

_CONVERSATION = "id, title, message_count, head, created_at, updated_at"

CREATE = f"""
INSERT INTO conversations (id, user_id, title) VALUES ($1, $2, $3)
ON CONFLICT (id) DO NOTHING RETURNING {_CONVERSATION}
"""  # noqa: S608  # a constant

LIST = f"""
SELECT {_CONVERSATION} FROM conversations
WHERE user_id = $1 AND deleted_at IS NULL
  AND ($2::timestamptz IS NULL OR (updated_at, id) < ($2, $3))
ORDER BY updated_at DESC, id DESC LIMIT $4
"""  # noqa: S608  # a constant

GET = f"SELECT {_CONVERSATION} FROM conversations WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL"  # noqa: S608

RENAME = f"""
UPDATE conversations SET title = $3, updated_at = now() WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
RETURNING {_CONVERSATION}
"""  # noqa: S608  # a constant

DELETE = """
UPDATE conversations SET deleted_at = now() WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL RETURNING id
"""

# So many, or as many as have so many bytes together and one more; `found` is how many there are at least.
MESSAGES = """
SELECT number, parent, role, content, json, state, request_id, model, created_at, found FROM (
    SELECT *, count(*) OVER () AS found,
           sum(octet_length(content) + octet_length(json)) OVER (ORDER BY number)
               - octet_length(content) - octet_length(json) AS before
    FROM (SELECT * FROM messages WHERE conversation_id = $1 AND number > $2 ORDER BY number LIMIT $3) AS page
) AS weighed
WHERE before < $4 ORDER BY number
"""

# What was deleted long ago and still has messages, some at a time; other replicas take others.
PURGEABLE = """
SELECT id FROM conversations
WHERE deleted_at < now() - make_interval(days => $1) AND message_count > 0
ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

PURGE = (
    "DELETE FROM messages WHERE conversation_id = ANY ($1::text[])",
    "DELETE FROM summaries WHERE conversation_id = ANY ($1::text[])",
    "UPDATE conversations SET message_count = 0, head = 0, title = '' WHERE id = ANY ($1::text[])",
)
