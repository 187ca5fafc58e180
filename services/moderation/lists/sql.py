"""The statements of stored lists."""

# Named in PostgreSQL for the whole database.
CHANNEL = "moderation_lists"

LOCK = "LOCK TABLE list_versions IN EXCLUSIVE MODE"

VERSION = "SELECT coalesce(max(version), 0) FROM list_versions"

_COLUMNS = "name, format, label, tier, content, entries, author, created_at"

IN_FORCE = f"SELECT {_COLUMNS} FROM lists WHERE until_version IS NULL ORDER BY name"  # noqa: S608  # our own columns

IN_FORCE_BY_NAME = f"SELECT {_COLUMNS} FROM lists WHERE until_version IS NULL AND name = $1"  # noqa: S608  # as above

ADD_VERSION = "INSERT INTO list_versions (version, change, author, reason) VALUES ($1, $2, $3, $4)"

CLOSE = "UPDATE lists SET until_version = $2 WHERE until_version IS NULL AND name = $1"

OPEN = """
INSERT INTO lists (name, from_version, format, label, tier, content, entries, author)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

# Of what is in force, what was not in version $1; and of what was in version $1, what is no longer in force.
DIFFERS_FROM = """
SELECT EXISTS (
    SELECT FROM lists
    WHERE (until_version IS NULL AND from_version > $1) OR (from_version <= $1 AND until_version > $1)
)
"""

CLOSE_SINCE = "UPDATE lists SET until_version = $2 WHERE until_version IS NULL AND from_version > $1"

# With its author and time: the content is theirs.
OPEN_AGAIN = """
INSERT INTO lists (name, from_version, format, label, tier, content, entries, author, created_at)
SELECT name, $2, format, label, tier, content, entries, author, created_at
FROM lists WHERE from_version <= $1 AND until_version > $1 AND until_version < $2
"""

VERSIONS = """
SELECT version, change, author, reason, created_at FROM list_versions
WHERE version < $1 ORDER BY version DESC LIMIT $2
"""

NOTIFY = f"SELECT pg_notify('{CHANNEL}', $1::text)"
