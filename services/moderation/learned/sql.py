"""The statements of stored weights."""

LOCK = "LOCK TABLE weights IN EXCLUSIVE MODE"

VERSION = "SELECT coalesce(max(version), 0) FROM weights"

IN_FORCE = "SELECT version, content FROM weights ORDER BY version DESC LIMIT 1"

CONTENT = "SELECT content FROM weights WHERE version = $1"

ADD = "INSERT INTO weights (version, content, change, author, reason) VALUES ($1, $2, $3, $4, $5)"

VERSIONS = """
SELECT version, change, author, reason, created_at FROM weights
WHERE version < $1 ORDER BY version DESC LIMIT $2
"""
