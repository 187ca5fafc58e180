"""Stored weights in PostgreSQL: every change is a version, and each can be returned to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from services.moderation.errors import VersionNotFoundError
from services.moderation.learned import sql
from services.moderation.lists.domain import Signature, Version
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED, Connection

_VERSION_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """A weights file and the version that made it so; None is the file that ships, and version 0 nothing at all."""

    version: int
    content: bytes | None = field(repr=False)


class WeightsStore:
    """Every method raises UnavailableError when the database does not answer."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Use this pool."""
        self._pool = pool

    async def version(self) -> int:
        """The newest version; 0 when there is none."""
        async with self._connection() as connection:
            return await _version(connection)

    async def in_force(self) -> StoredWeights:
        """The newest."""
        async with self._connection() as connection:
            return await _in_force(connection)

    async def put(self, content: bytes, by: Signature) -> int:
        """Store a weights file; answers the version that this made, or the present one when it is in force already."""
        async with self._changing() as connection:
            return await _put(connection, content, f"put {len(content):,} bytes", by)

    async def versions(self, *, before: int | None = None, limit: int) -> list[Version]:
        """Versions, the newest first, from before a number on."""
        async with self._connection() as connection:
            rows = await connection.fetch(sql.VERSIONS, _VERSION_MAX if before is None else before, limit)
        return [Version(row["version"], row["change"], row["author"], row["reason"], row["created_at"]) for row in rows]

    async def restore(self, number: int, by: Signature) -> int:
        """Make the weights what they were in a version; answers the version that this made, or the present one.

        Raises:
            VersionNotFoundError: There never was such a version.
        """
        async with self._changing() as connection:
            present = await _version(connection)
            if not 0 <= number <= present:
                raise VersionNotFoundError(f"There is no such version: the newest is {present}.")
            content = await connection.fetchval(sql.CONTENT, number) if number else None
            return await _put(connection, content, f"restore {number}", by)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except FAILED as error:
            raise UnavailableError("The stored weights do not answer; try again shortly.", retry_after_s=1) from error

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Connection]:
        async with self._connection() as connection, connection.transaction():
            await connection.execute(sql.LOCK)
            yield connection


async def _version(connection: Connection) -> int:
    version: int = await connection.fetchval(sql.VERSION)
    return version


async def _in_force(connection: Connection) -> StoredWeights:
    row = await connection.fetchrow(sql.IN_FORCE)
    return StoredWeights(0, None) if row is None else StoredWeights(row["version"], row["content"])


async def _put(connection: Connection, content: bytes | None, change: str, by: Signature) -> int:
    present = await _in_force(connection)
    if present.content == content:
        return present.version
    await connection.execute(sql.ADD, present.version + 1, content, change, by.author, by.reason)
    return present.version + 1
