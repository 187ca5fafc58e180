"""PostgreSQL: a pool, and the schema that a service's numbered SQL files make.

Each service owns one schema. Its files `migrations/0001_what_it_does.sql` run in order, each in a transaction, once;
`<schema>.schema_migrations` remembers them. The well-kept migration libraries (yoyo, dbmate, alembic) bring a second
driver or an ORM for what is forty lines here.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from services.runtime.errors import StartupError

# A connection of its own, or one lent by a pool.
# In quotes: only the stubs know these classes as generic.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

# Told of each new connection of a pool.
OnConnect: TypeAlias = Callable[[Connection], Coroutine[Any, Any, None]]

# What a statement fails with when the database is away.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)
# What a statement can fail with at all.
FAILED = (*AWAY, asyncpg.PostgresError)

# A lock that somebody else holds for longer, and a transaction that somebody forgot, must not stop everyone.
_LOCK_TIMEOUT_MS = "2000"
_IDLE_TRANSACTION_TIMEOUT_MS = "30000"

# A migration may rewrite a large table, or wait for another replica that does.
_MIGRATION_TIMEOUT_S = 86_400.0

# How long a database that is still starting is waited for.
_CONNECT_PATIENCE_S = 10.0

# Any constant will do, as long as all replicas agree on it: replicas that start together migrate one after the other.
_MIGRATION_LOCK = 0x0071_7565


@asynccontextmanager
async def postgres_pool(
    url: str,
    *,
    schema: str,
    migrations: Path,
    connections_max: int,
    on_connect: OnConnect | None = None,
    pooled: bool = False,
) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """Connect, bring the schema up to date, and close in the end; `on_connect` is given each new connection.

    `pooled` when a pooler lends a connection for one transaction: each may be on another one of the server's.

    Raises:
        StartupError: The database does not answer, refuses us, or a migration that ran was changed afterwards.
    """
    pool = await _connect(url, _options(schema, connections_max, on_connect, pooled=pooled))
    try:
        async with pool.acquire() as connection:
            if pooled:
                await _demand_settings(connection, schema)
            await migrate(connection, schema=schema, migrations=migrations)
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def postgres_reader(
    url: str, *, schema: str, connections_max: int, on_connect: OnConnect | None = None, pooled: bool = False
) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """Connections to what may be a replica, to read from; they are opened when they are needed."""
    async with asyncpg.create_pool(
        url, min_size=0, **_options(schema, connections_max, on_connect, pooled=pooled)
    ) as pool:
        yield pool


async def migrate(
    connection: Connection,
    *,
    schema: str,
    migrations: Path,
) -> list[str]:
    """Run what has not run yet; answers the names of the files that ran now.

    Raises:
        StartupError: A file that ran in the past has other content today, or fails.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK, timeout=_MIGRATION_TIMEOUT_S)
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{schema}".schema_migrations ('
            "name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch(
            f'SELECT name, sha256 FROM "{schema}".schema_migrations'  # noqa: S608  # a service's own constant
        )
        applied = {row["name"]: row["sha256"] for row in rows}
        fresh: list[str] = []
        for name, sql in _read(migrations):
            sha256 = hashlib.sha256(sql.encode()).hexdigest()
            if name not in applied:
                await _apply(connection, schema, name, sql, sha256)
                fresh.append(name)
            elif applied[name] != sha256:
                raise StartupError(
                    f"Migration {schema}/{name} was changed after it ran: restore it and add a new file instead."
                )
        return fresh


def _read(migrations: Path) -> list[tuple[str, str]]:
    return [(file.name, file.read_text(encoding="utf-8")) for file in sorted(migrations.glob("[0-9]*.sql"))]


async def _apply(
    connection: Connection,
    schema: str,
    name: str,
    sql: str,
    sha256: str,
) -> None:
    try:
        await connection.execute(sql, timeout=_MIGRATION_TIMEOUT_S)
    except asyncpg.PostgresError as error:
        raise StartupError(f"Migration {schema}/{name} failed: {error}") from error
    await connection.execute(
        f'INSERT INTO "{schema}".schema_migrations (name, sha256) VALUES ($1, $2)',  # noqa: S608  # as above
        name,
        sha256,
    )


def _options(schema: str, connections_max: int, on_connect: OnConnect | None, *, pooled: bool) -> dict[str, Any]:
    """What connections are made with, as asyncpg has it."""
    options: dict[str, Any] = {
        "max_size": connections_max,
        "command_timeout": 10,
        "connection_class": _Connection,
        "init": on_connect,
        "reset": _reset,
    }
    name = {"application_name": f"queqiao-{schema}"}
    if pooled:
        # A statement that was prepared is on another connection when it is wanted again. Nothing else that a pooler is
        # told of a connection reaches those of the server.
        return options | {"statement_cache_size": 0, "server_settings": name}
    return options | {"server_settings": name | _settings(schema)}


def _settings(schema: str) -> dict[str, str]:
    return {
        "search_path": schema,
        "lock_timeout": _LOCK_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": _IDLE_TRANSACTION_TIMEOUT_MS,
    }


async def _demand_settings(connection: Connection, schema: str) -> None:
    """What a connection cannot bring along through a pooler is the role's."""
    wanted = _settings(schema)
    found = await connection.fetchrow(
        "SELECT current_user AS role, replace(current_setting('search_path'), '\"', '') AS search_path, "
        "(SELECT setting FROM pg_settings WHERE name = 'lock_timeout') AS lock_timeout, "
        "(SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') "
        "AS idle_in_transaction_session_timeout"
    )
    if found is None:
        return
    missing = [name for name, value in wanted.items() if found[name] != value]
    if missing:
        statements = [f"ALTER ROLE {found['role']} SET {name} = {wanted[name]};" for name in missing]
        raise StartupError(
            f"Behind a pooler the settings of {schema} are its role's: run {' '.join(statements)} Then let the pooler "
            "connect anew."
        )


async def _connect(url: str, options: Mapping[str, Any]) -> "asyncpg.Pool[asyncpg.Record]":
    where = urlsplit(url).hostname or "its socket"
    deadline = asyncio.get_running_loop().time() + _CONNECT_PATIENCE_S
    while True:
        try:
            return await asyncpg.create_pool(url, min_size=1, **options)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            raise StartupError(
                f"PostgreSQL at {where} refuses us ({type(error).__name__}): check DATABASE_URL."
            ) from None
        except (OSError, asyncpg.PostgresError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise StartupError(f"PostgreSQL at {where} does not answer: start it, or check DATABASE_URL.") from None
            await asyncio.sleep(0.2)


class _Connection(asyncpg.Connection):
    """Knows whether its caller was cancelled between a statement's preparation and its execution.

    asyncpg sends both as one exchange, of which only the second part ends with a Sync. Until another one comes the
    server is within a transaction, with its locks, and refuses a BEGIN with another isolation level.
    """

    __slots__ = ("needs_sync",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.needs_sync = False

    async def _get_statement(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._get_statement(*args, **options)  # type: ignore[misc]  # not among the stubs
        except asyncio.CancelledError:
            self.needs_sync = True
            raise


async def _reset(connection: _Connection) -> None:
    """Before a connection goes back: an open transaction has been rolled back, which is all that there is to undo.

    asyncpg's own reset is a round trip after each use; it is for settings, locks and cursors of a session. Here all of
    these end with their transaction, and who listens has a connection of their own.
    """
    if connection.needs_sync:
        # Any statement of this kind ends with what a Sync does.
        await connection.execute("SELECT")
        connection.needs_sync = False
