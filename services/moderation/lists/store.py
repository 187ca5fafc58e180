"""Stored word lists in PostgreSQL.

Every change is one transaction that makes the next version. Changes wait for one another, so versions have no gap and
none is decided by what another is about to change; whoever only reads waits for nobody.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from services.moderation.errors import ListNotFoundError, VersionNotFoundError
from services.moderation.lexicon.entries import Tier
from services.moderation.lists import sql
from services.moderation.lists.domain import Signature, StoredList, StoredLists, Version
from services.moderation.lists.formats import Form, Format
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED, Connection

# From a list, if there is one, to what it shall be: form, content and how many entries that has.
Edit = Callable[[StoredList | None], Awaitable[tuple[Form, bytes, int]]]

_VERSION_MAX = 2**63 - 1


class ListStore:
    """Every method raises UnavailableError when the database does not answer."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def version(self) -> int:
        """The newest version; 0 when there is none."""
        async with self._connection() as connection:
            return await _version(connection)

    async def in_force(self) -> StoredLists:
        """All lists in force, and the version that made them so."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            version = await _version(connection)
            return StoredLists(version, tuple(map(_stored, await connection.fetch(sql.IN_FORCE))))

    async def get(self, name: str) -> StoredList:
        """A list.

        Raises:
            ListNotFoundError: None of that name is in force.
        """
        async with self._connection() as connection:
            return await _get(connection, name)

    async def put(self, name: str, form: Form, content: bytes, entries: int, by: Signature) -> int:
        """Store a list of so many entries, in the place of one of that name; answers the version that this made.

        What is there already changes nothing; then it answers the present version.
        """
        async with self._changing() as connection:
            return await _put(connection, f"put {name}", name, form, content, entries, by)

    async def edit(self, name: str, change: str, edit: Edit, by: Signature) -> int:
        """Put what `edit` makes of the list of that name, with nobody else changing it in between.

        Raises:
            Exception: Whatever `edit` raised; nothing is changed.
        """
        async with self._changing() as connection:
            form, content, entries = await edit(await _find(connection, name))
            return await _put(connection, change, name, form, content, entries, by)

    async def delete(self, name: str, by: Signature) -> int:
        """Remove a list; answers the version that this made.

        Raises:
            ListNotFoundError: None of that name is in force.
        """
        async with self._changing() as connection:
            await _get(connection, name)
            version = await _add_version(connection, f"delete {name}", by)
            await connection.execute(sql.CLOSE, name, version)
            return version

    async def versions(self, *, before: int | None = None, limit: int) -> list[Version]:
        """Versions, the newest first, from before a number on."""
        async with self._connection() as connection:
            rows = await connection.fetch(sql.VERSIONS, _VERSION_MAX if before is None else before, limit)
        return [Version(row["version"], row["change"], row["author"], row["reason"], row["created_at"]) for row in rows]

    async def restore(self, number: int, by: Signature) -> int:
        """Make the lists what they were in a version; answers the version that this made, or the present one.

        Raises:
            VersionNotFoundError: There never was such a version.
        """
        async with self._changing() as connection:
            present = await _version(connection)
            if not 0 <= number <= present:
                raise VersionNotFoundError(f"There is no such version: the newest is {present}.")
            if not await connection.fetchval(sql.DIFFERS_FROM, number):
                return present
            version = await _add_version(connection, f"restore {number}", by)
            await connection.execute(sql.CLOSE_SINCE, number, version)
            await connection.execute(sql.OPEN_AGAIN, number, version)
            return version

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except FAILED as error:
            raise UnavailableError("The stored lists do not answer; try again shortly.", retry_after_s=1) from error

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Connection]:
        async with self._connection() as connection, connection.transaction():
            await connection.execute(sql.LOCK)
            yield connection


async def _version(connection: Connection) -> int:
    version: int = await connection.fetchval(sql.VERSION)
    return version


async def _find(connection: Connection, name: str) -> StoredList | None:
    row = await connection.fetchrow(sql.IN_FORCE_BY_NAME, name)
    return None if row is None else _stored(row)


async def _get(connection: Connection, name: str) -> StoredList:
    found = await _find(connection, name)
    if found is None:
        raise ListNotFoundError("There is no stored list of that name: GetLexicon names those there are.")
    return found


async def _put(
    connection: Connection, change: str, name: str, form: Form, content: bytes, entries: int, by: Signature
) -> int:
    before = await _find(connection, name)
    if before is not None and (before.form, before.content) == (form, content):
        return await _version(connection)
    version = await _add_version(connection, change, by)
    await connection.execute(sql.CLOSE, name, version)
    await connection.execute(
        sql.OPEN, name, version, form.format.value, form.label, form.tier.value, content, entries, by.author
    )
    return version


async def _add_version(connection: Connection, change: str, by: Signature) -> int:
    version = await _version(connection) + 1
    await connection.execute(sql.ADD_VERSION, version, change, by.author, by.reason)
    # Heard when the transaction commits.
    await connection.execute(sql.NOTIFY, str(version))
    return version


def _stored(row: asyncpg.Record) -> StoredList:
    return StoredList(
        name=row["name"],
        form=Form(Format(row["format"]), row["label"], Tier(row["tier"])),
        content=row["content"],
        entries=row["entries"],
        author=row["author"],
        updated_at=row["created_at"],
    )
