"""The embedded PostgreSQL: durable, kept over a restart, and able to start from any folder."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from sandbox import parts, postgres
from sandbox.ports import free_ports
from sandbox.processes import PartError
from sandbox.state import State
from sandbox.supervisor import Supervisor


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a server of this state folder, which is stopped at the end."""
    supervisor = Supervisor()
    try:
        part = await parts.start_postgres({}, State(folder), supervisor, free_ports(1)[0])
        connection = await asyncpg.connect(part.env["DATABASE_URL"])
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await supervisor.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder; pytest makes it private, so root's server keeps its data outside of it."""
    yield tmp_path
    shutil.rmtree(postgres.public_folder(tmp_path), ignore_errors=True)


async def test_it_is_durable_and_takes_chinese(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SHOW fsync") == "on"
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    assert await connection.fetchval("SELECT $1::text", "你好，鹊桥") == "你好，鹊桥"
    assert (await connection.fetchval("SELECT version()")).startswith("PostgreSQL 18")
    await connection.close()


async def test_it_refuses_a_wrong_password(database_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(database_url, password="guessed")


async def test_each_test_has_a_database_of_its_own(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE only_here (n int)")
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1
    await connection.close()


async def test_state_survives_a_restart(folder: Path) -> None:
    async with server(folder) as connection:
        await connection.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('还在')")
    async with server(folder) as connection:
        assert await connection.fetchval("SELECT word FROM kept") == "还在"


async def test_a_launcher_that_was_killed_while_initialising_leaves_nothing_in_the_way(folder: Path) -> None:
    prepared = postgres.Postgres.prepare(folder)
    half = prepared.data.with_name("postgres.new")
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n", encoding="utf-8")
    prepared.data.with_name("postgres.password").touch()
    async with server(folder) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_full_disk_is_one_sentence(folder: Path) -> None:
    initdb = folder / "install" / "bin" / "initdb"
    initdb.parent.mkdir(parents=True)
    initdb.write_text(
        "#!/bin/sh\necho 'FATAL: could not extend file: No space left on device'\necho removing data\nexit 1\n",
        encoding="utf-8",
    )
    initdb.chmod(0o755)
    full = postgres.Postgres(folder / "install", folder / "data", user=None)
    with pytest.raises(PartError, match=r"No space left on device.*postgres\.log.*disk has room"):
        await full.start(free_ports(1)[0], "password", folder / "postgres.log")
    assert not full.data.exists()


def test_copied_binaries_find_their_libraries_and_anyone_may_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_PUBLIC", tmp_path)
    copy = postgres._copied(postgres._wheel())
    for binary in ("initdb", "postgres"):
        said = subprocess.run([copy / "bin" / binary, "--version"], check=True, capture_output=True, text=True)
        assert "PostgreSQL) 18" in said.stdout
        assert (copy / "bin" / binary).stat().st_mode & 0o005 == 0o005
    assert postgres._copied(postgres._wheel()) == copy


def test_a_folder_planted_under_our_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PUBLIC", tmp_path)
    (tmp_path / "elsewhere").mkdir()
    postgres._copy_folder(postgres._wheel()).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PartError, match="belongs to somebody else"):
        postgres._copied(postgres._wheel())
