"""Real company for a test's PostgreSQL: a pooler before it, and a replica behind it."""

import asyncio
import os
import pwd
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sandbox import postgres
from sandbox.ports import HOST, free_ports, listens
from sandbox.processes import Process
from sandbox.state import State
from tests.server_folder import server_folder

_PGBOUNCER_MISSING = (
    "PgBouncer is missing, so nothing went through a pooler. On Debian and Ubuntu: apt-get install -y pgbouncer "
    "(or `make system-packages` as root)."
)


@asynccontextmanager
async def database_of_its_own(postgres_url: str, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a fresh database, a copy of the template; it goes in the end, unless the test fails."""
    name = f"test_{secrets.token_hex(6)}"
    server = await asyncpg.connect(postgres_url)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield f"{postgres_url.rsplit('/', 1)[0]}/{name}"
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


@asynccontextmanager
async def role_of_its_own(postgres_url: str, name: str) -> AsyncIterator[str]:
    """The URL of a role that owns a database of the same name and nothing else; both go in the end."""
    password = secrets.token_hex(8)
    admin = await asyncpg.connect(postgres_url)
    try:
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        await admin.execute(f"CREATE DATABASE {name} OWNER {name}")
        parts = urlsplit(postgres_url)
        yield urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port}", path=f"/{name}"))
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"DROP ROLE {name}")
    finally:
        await admin.close()


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer that lends connections for one transaction."""

    port: int

    def url(self, behind: str) -> str:
        """The URL by which a database behind it is reached."""
        parts = urlsplit(behind)
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@{HOST}:{self.port}"))


@asynccontextmanager
async def pgbouncer(*urls: str, connections: int) -> AsyncIterator[Pooler]:
    """Start one before the databases at these URLs, with so many connections to each."""
    binary = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_PGBOUNCER_MISSING)
    (port,) = free_ports(1)
    parts = [urlsplit(url) for url in urls]
    with server_folder() as folder:
        users, config = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text("".join(f'"{each.username}" "{each.password}"\n' for each in parts), encoding="utf-8")
        databases = "".join(f"{each.path[1:]} = host={each.hostname} port={each.port}\n" for each in parts)
        config.write_text(
            f"[databases]\n{databases}[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\n"
            f"default_pool_size = {connections}\nmax_client_conn = 500\n",
            encoding="utf-8",
        )
        # As PostgreSQL it refuses to run as root.
        nobody = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        process = await Process.start("PgBouncer", [binary, str(config)], log=folder / "log", user=nobody)
        try:
            await process.ready(lambda: listens(HOST, port), timeout_s=10)
            yield Pooler(port)
        finally:
            await process.stop(grace_s=2)


@asynccontextmanager
async def replicated() -> AsyncIterator[tuple[str, str, Process]]:
    """The URLs of a PostgreSQL of the test's own and of a replica that follows it, and the replica's process."""
    with server_folder() as folder:
        password, (first, second) = "secret", free_ports(2)
        primary = await asyncio.to_thread(postgres.Postgres.prepare, State(folder / "primary").folder)
        running = await primary.start(first, password, folder / "primary.log")
        try:
            await running.ready(lambda: postgres.answers(first, password), timeout_s=30)
            standby = await _copy(primary, first, password, folder)
            following = await standby.start(second, password, folder / "standby.log")
            try:
                await following.ready(lambda: _follows(second, password), timeout_s=30)
                yield postgres.url(first, password), postgres.url(second, password), following
            finally:
                await following.stop(grace_s=5)
        finally:
            await running.stop(grace_s=5)


async def _copy(primary: postgres.Postgres, port: int, password: str, folder: Path) -> postgres.Postgres:
    data = primary.data.with_name("standby")
    argv = [
        str(primary.install / "bin" / "pg_basebackup"),
        *("-d", postgres.url(port, password, "postgres"), "-D", str(data), "-R", "-X", "stream", "-c", "fast"),
    ]
    # It is made where only PostgreSQL's own user may write.
    primary.data.parent.chmod(0o711)
    data.mkdir(mode=0o700)
    if primary.user is not None:
        os.chown(data, primary.user, -1)
    copying = await Process.start("pg_basebackup", argv, log=folder / "copy.log", user=primary.user)
    assert await copying.finished() == 0, (folder / "copy.log").read_text(encoding="utf-8")
    return postgres.Postgres(primary.install, data, primary.user)


async def _follows(port: int, password: str) -> bool:
    if not await listens(HOST, port):
        return False
    try:
        connection = await asyncpg.connect(postgres.url(port, password), timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    try:
        return bool(await connection.fetchval("SELECT pg_is_in_recovery()"))
    finally:
        await connection.close()
