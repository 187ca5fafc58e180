"""The audit's statements."""

from services.moderation.audit.records import Filter, Position

COLUMNS = (
    "id, created_at, action, direction, layer, rule, label, evasion, start_at, end_at, text_sha256, "
    "request_id, trace_id, user_id, version, appealed_at, score, grams"
)

NEW_IDS = "SELECT nextval(pg_get_serial_sequence('refusals', 'id')) AS id FROM generate_series(1, $1)"

# Ids are drawn before: when the answer to a write was lost, the same write does nothing the second time.
ADD = """
INSERT INTO refusals (
    id, created_at, action, direction, layer, rule, label, evasion, start_at, end_at, text_sha256, request_id,
    trace_id, user_id, version, text_sealed, score, grams
)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest(
    $1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[],
    $9::int[], $10::int[], $11::bytea[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[],
    $17::float8[], $18::text[]
)
ON CONFLICT (id) DO NOTHING
"""

REFUSAL = f"SELECT {COLUMNS}, text_sealed FROM refusals WHERE id = $1"  # noqa: S608  # our own column list

# The first appeal that was granted counts.
MARK_APPEALED = "UPDATE refusals SET appealed_at = clock_timestamp() WHERE id = $1 AND appealed_at IS NULL"

# Other replicas delete at the same time: each takes what no other has taken.
DELETE_OLD = """
WITH old AS (
    SELECT id FROM refusals WHERE created_at < $1 ORDER BY created_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM refusals USING old WHERE refusals.id = old.id
"""

# Of the newest only, so that a table without any text is not read to its end.
RECENT_TEXTS = """
SELECT text_sha256, text_sealed FROM (
    SELECT created_at, id, text_sha256, text_sealed FROM refusals ORDER BY created_at DESC, id DESC LIMIT $1
) AS newest
WHERE text_sealed IS NOT NULL ORDER BY created_at DESC, id DESC
"""


# Of the newest only, as above; what was granted on appeal or refused says what a text is, what was referred may.
TRAINING_TEXTS = """
SELECT text_sha256, text_sealed, action, layer, label, appealed_at FROM (
    SELECT * FROM refusals ORDER BY created_at DESC, id DESC LIMIT $1
) AS newest
WHERE text_sealed IS NOT NULL AND direction = 'input' AND action <> 'logged'
ORDER BY created_at DESC, id DESC
"""


def search(wanted: Filter, before: Position | None, limit: int) -> tuple[str, list[object]]:
    """A statement that lists the newest refusals, and its arguments.

    Only the conditions that are asked for are in it: so each search is planned for itself and finds its index.
    """
    narrowing: tuple[tuple[str, object], ...] = (
        ("created_at >=", wanted.start),
        ("created_at <", wanted.end),
        ("layer =", wanted.layer),
        ("direction =", wanted.direction),
        ("action =", wanted.action),
        ("label =", wanted.label),
        ("user_id =", wanted.user_id),
        ("request_id =", wanted.request_id),
        ("text_sha256 =", wanted.text_sha256),
        ("rule =", wanted.rule),
    )
    asked = [(condition, value) for condition, value in narrowing if value]
    arguments: list[object] = [value for _, value in asked]
    conditions = [f"{condition} ${number}" for number, (condition, _) in enumerate(asked, start=1)]
    if before is not None:
        arguments += [before.found_at, before.refusal_id]
        conditions.append(f"(created_at, id) < (${len(arguments) - 1}, ${len(arguments)})")
    arguments.append(limit)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    statement = (
        f"SELECT {COLUMNS} FROM refusals {where}"  # noqa: S608  # our own conditions; what is looked for are arguments
        f"ORDER BY created_at DESC, id DESC LIMIT ${len(arguments)}"
    )
    return statement, arguments
