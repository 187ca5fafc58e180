"""A PostgreSQL that can be told to die at the worst moment: when everything is written and the commit is asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

_PREPARE = """
CREATE TABLE billing.crash (table_name text PRIMARY KEY);
CREATE FUNCTION billing.crash() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing.crash WHERE table_name IN (TG_TABLE_NAME, TG_NAME)) THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
    END IF;
    RETURN NULL;
END $$;
"""
_TABLES = ("wallets", "reservations", "grants", "transfers", "chains", "orders", "refunds")


async def prepare_crashes(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make a migrated database able to die."""
    await connection.execute(_PREPARE)
    for table in _TABLES:
        await connection.execute(
            f"CREATE CONSTRAINT TRIGGER commit AFTER INSERT OR UPDATE ON billing.{table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.crash();"
            f"CREATE TRIGGER at_once AFTER INSERT OR UPDATE ON billing.{table}"
            " FOR EACH ROW EXECUTE FUNCTION billing.crash()"
        )


@asynccontextmanager
async def crashing(connection: "asyncpg.Connection[asyncpg.Record]", when: str) -> AsyncIterator[None]:
    """Kill whoever writes a row of the table `when`, or, when it is "commit", whoever commits anything."""
    await connection.execute("INSERT INTO billing.crash VALUES ($1)", when)
    try:
        yield
    finally:
        await connection.execute("DELETE FROM billing.crash")
