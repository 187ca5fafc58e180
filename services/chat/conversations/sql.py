"""Every statement about conversations. $1 is always the user, and $2 the conversation where there is one."""

# Whether a conversation was deleted, how many messages it has, and the last one of its current branch.
STATE = "SELECT deleted_at, message_count, head FROM conversations WHERE user_id = $1 AND id = $2"

# The messages that lead to one, oldest first: as many as are asked for, and as much text. Each step is a lookup in the
# primary key of one partition.
PATH = """
WITH RECURSIVE path AS (
    SELECT number, parent, role, content, json, tokens, encoding, state, 1 AS depth,
           length(content) + length(json) AS characters
    FROM messages WHERE user_id = $1 AND conversation_id = $2 AND number = $3::int
    UNION ALL
    SELECT m.number, m.parent, m.role, m.content, m.json, m.tokens, m.encoding, m.state, path.depth + 1,
           path.characters + length(m.content) + length(m.json)
    FROM path JOIN messages m ON m.user_id = $1 AND m.conversation_id = $2 AND m.number = path.parent
    WHERE path.depth < $4::int AND path.characters < $5::int
)
SELECT number, parent, role, content, json, tokens, encoding, state FROM path ORDER BY depth DESC
"""

# The latest summary that covers a part of a branch: of messages that are on it, or came before what was read of it.
SUMMARY = """
SELECT upto, content, tokens, encoding FROM summaries
WHERE user_id = $1 AND conversation_id = $2 AND upto = ANY ($3::int[]) ORDER BY upto DESC LIMIT 1
"""

# The numbers of a whole branch, newest first.
BRANCH = """
WITH RECURSIVE path AS (
    SELECT number, parent FROM messages WHERE user_id = $1 AND conversation_id = $2 AND number = $3::int
    UNION ALL
    SELECT m.number, m.parent
    FROM path JOIN messages m ON m.user_id = $1 AND m.conversation_id = $2 AND m.number = path.parent
)
SELECT number FROM path
"""

HAS_SUMMARIES = "SELECT EXISTS (SELECT FROM summaries WHERE user_id = $1 AND conversation_id = $2)"

PUT_SUMMARY = """
INSERT INTO summaries (user_id, conversation_id, upto, content, tokens, encoding)
SELECT user_id, id, $3, $4, $5, $6 FROM conversations WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL
ON CONFLICT (user_id, conversation_id, upto) DO UPDATE
SET content = excluded.content, tokens = excluded.tokens, encoding = excluded.encoding, created_at = now()
"""

# Conversations are made and their users erased one after the other: held by all who make, or by the one who erases.
SHARE_USER = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
LOCK_USER = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

ENSURE = """
INSERT INTO conversations (user_id, id) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM erased_users WHERE user_id = $1)
ON CONFLICT (user_id, id) DO NOTHING
"""

# Appends what a turn brought: $3 messages, the first of which follows $4, or without it the newest one now, for another
# turn may have ended since this one began. Turns that end together append one after the other. One statement, and so
# one round trip and a transaction of its own; nothing comes back where there is no such conversation.
APPEND = """
WITH old AS (
    SELECT user_id, id, message_count, head FROM conversations
    WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE
), advanced AS (
    UPDATE conversations c
    SET message_count = old.message_count + $3::int, head = old.message_count + $3::int,
        title = CASE title WHEN '' THEN $5 ELSE title END, updated_at = now()
    FROM old WHERE c.user_id = $1 AND c.id = $2 AND c.user_id = old.user_id AND c.id = old.id
    RETURNING old.message_count AS before, coalesce($4::int, old.head) AS parent
), appended AS (
    INSERT INTO messages (
        user_id, conversation_id, number, parent, role, content, json, state, request_id, model, tokens, encoding
    )
    SELECT $1, $2, before + position, CASE position WHEN 1 THEN parent ELSE before + position - 1 END,
           role, content, json, state, $6, model, tokens, encoding
    FROM advanced CROSS JOIN unnest(
        $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::int[], $13::text[]
    ) WITH ORDINALITY AS new (role, content, json, state, model, tokens, encoding, position)
)
SELECT before + $3::int AS number, parent FROM advanced
"""

_CONVERSATION = "id, title, message_count, head, created_at, updated_at, pinned"

CREATE = f"""
INSERT INTO conversations (user_id, id, title)
SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM erased_users WHERE user_id = $1)
ON CONFLICT (user_id, id) DO NOTHING RETURNING {_CONVERSATION}
"""  # noqa: S608  # a constant

LIST = f"""
SELECT {_CONVERSATION} FROM conversations
WHERE user_id = $1 AND deleted_at IS NULL
  AND ($3::timestamptz IS NULL OR (pinned, updated_at, id) < ($2::boolean, $3, $4))
ORDER BY pinned DESC, updated_at DESC, id DESC LIMIT $5
"""  # noqa: S608  # a constant

# Those of a list that have something in their title or in what was said, with the newest message that has it. All
# titles are looked through; texts of so many messages, whole conversations from the beginning of the list on: `before`
# counts the messages of those in front. What is quoted is cut out here, for messages may be long.
SEARCH = f"""
WITH mine AS (
    SELECT {_CONVERSATION},
           sum(message_count) OVER (ORDER BY pinned DESC, updated_at DESC, id DESC) - message_count AS before
    FROM conversations WHERE user_id = $1 AND deleted_at IS NULL
)
SELECT {_CONVERSATION}, number, role,
       substr(content, greatest(place - $9::int, 1), $10::int) AS words,
       place <= $9::int + 1 AS begins,
       greatest(place - $9::int, 1) + $10::int > length(content) AS ends,
       content ~ '(^|\n) {{0,3}}(`{{3}}|~{{3}})' AS has_code
FROM mine LEFT JOIN LATERAL (
    SELECT number, role, content, strpos(lower(content), lower($7::text)) AS place FROM messages
    WHERE user_id = $1 AND conversation_id = mine.id AND mine.before < $8::bigint
      AND role IN ('user', 'assistant') AND content ILIKE $6
    ORDER BY number DESC LIMIT 1
) AS said ON true
WHERE (title ILIKE $6 OR number IS NOT NULL)
  AND ($3::timestamptz IS NULL OR (pinned, updated_at, id) < ($2::boolean, $3, $4))
ORDER BY pinned DESC, updated_at DESC, id DESC LIMIT $5
"""  # noqa: S608  # a constant

GET = f"SELECT {_CONVERSATION} FROM conversations WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL"  # noqa: S608

# Whoever pins a conversation, or takes the pin out, finds it where its last use puts it.
CHANGE = f"""
UPDATE conversations
SET title = coalesce($3, title), pinned = coalesce($4, pinned),
    updated_at = CASE WHEN $3::text IS NULL THEN updated_at ELSE now() END
WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING {_CONVERSATION}
"""  # noqa: S608  # a constant

DELETE = """
UPDATE conversations SET deleted_at = now() WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING id
"""

# So many, or as many as have so many bytes together and one more; `found` is how many there are at least.
MESSAGES = """
SELECT number, parent, role, content, json, state, request_id, model, created_at, rating, found FROM (
    SELECT *, count(*) OVER () AS found,
           sum(octet_length(content) + octet_length(json)) OVER (ORDER BY number)
               - octet_length(content) - octet_length(json) AS before
    FROM (
        SELECT * FROM messages WHERE user_id = $1 AND conversation_id = $2 AND number > $3 ORDER BY number LIMIT $4
    ) AS page
) AS weighed
WHERE before < $5 ORDER BY number
"""

# `before` is what its user thought of the answer until now.
RATE = """
WITH old AS (
    SELECT number, rating FROM messages
    WHERE user_id = $1 AND conversation_id = $2 AND number = $3::int AND role = 'assistant'
      AND EXISTS (SELECT FROM conversations WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL)
    FOR UPDATE
)
UPDATE messages m SET rating = $4 FROM old
WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.number = old.number
RETURNING m.number, parent, role, content, json, state, request_id, model, created_at, m.rating, old.rating AS before
"""

# What was deleted long ago and still has messages, some at a time; other replicas take others.
PURGEABLE = """
SELECT user_id, id FROM conversations
WHERE deleted_at < now() - make_interval(days => $1) AND message_count > 0
ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_PURGED = "unnest($1::text[], $2::text[]) AS purged (user_id, id)"

PURGE = (
    f"DELETE FROM messages m USING {_PURGED} WHERE m.user_id = purged.user_id AND conversation_id = purged.id",  # noqa: S608  # a constant
    f"DELETE FROM summaries s USING {_PURGED} WHERE s.user_id = purged.user_id AND conversation_id = purged.id",  # noqa: S608  # as above
    f"UPDATE conversations c SET message_count = 0, head = 0, title = '' "  # noqa: S608  # as above
    f"FROM {_PURGED} WHERE c.user_id = purged.user_id AND c.id = purged.id",
)

MARK_ERASED = "INSERT INTO erased_users (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING"

# Turns that end now append first, or wait and find nothing to append to.
ALL_IDS = "SELECT id FROM conversations WHERE user_id = $1 FOR UPDATE"

ERASE = (
    "DELETE FROM messages WHERE user_id = $1",
    "DELETE FROM summaries WHERE user_id = $1",
    "DELETE FROM conversations WHERE user_id = $1",
)
