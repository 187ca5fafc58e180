"""Migrations on real PostgreSQL."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.runtime.errors import StartupError
from services.runtime.postgres import Connection, migrate, postgres_pool


async def run(database_url: str, folder: Path) -> list[str]:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "shop"})
    try:
        return await migrate(connection, schema="shop", migrations=folder)
    finally:
        await connection.close()


async def test_each_file_runs_once_in_order_and_new_ones_follow(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n int)")
    (tmp_path / "0002_b.sql").write_text("INSERT INTO a VALUES (1)")
    assert await run(database_url, tmp_path) == ["0001_a.sql", "0002_b.sql"]
    (tmp_path / "0003_c.sql").write_text("INSERT INTO a VALUES (2)")
    assert await run(database_url, tmp_path) == ["0003_c.sql"]
    assert await run(database_url, tmp_path) == []


async def test_replicas_that_start_together_migrate_once(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n int)")
    ran = await asyncio.gather(*(run(database_url, tmp_path) for _ in range(5)))
    assert sorted(ran) == [[], [], [], [], ["0001_a.sql"]]


async def test_a_file_that_changed_after_it_ran_stops_the_start(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n int)")
    await run(database_url, tmp_path)
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n bigint)")
    with pytest.raises(StartupError, match=r"shop/0001_a\.sql was changed"):
        await run(database_url, tmp_path)


async def test_a_file_that_fails_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n int)")
    (tmp_path / "0002_b.sql").write_text("CREATE TABLE a (n int)")
    with pytest.raises(StartupError, match=r"shop/0002_b\.sql failed"):
        await run(database_url, tmp_path)
    (tmp_path / "0002_b.sql").unlink()
    assert await run(database_url, tmp_path) == ["0001_a.sql"]


async def test_a_database_that_refuses_us_is_one_sentence_without_the_password(
    postgres_url: str, tmp_path: Path
) -> None:
    wrong = postgres_url.replace("//queqiao:", "//queqiao:wrong")
    with pytest.raises(StartupError, match="refuses us") as caught:
        async with postgres_pool(wrong, schema="shop", migrations=tmp_path, connections_max=1):
            pass
    assert "wrong" not in str(caught.value).replace("wrong password", "")


async def test_a_connection_goes_back_without_a_word_and_without_its_transaction(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n int)")
    said: list[str] = []

    async def listen(connection: Connection) -> None:
        connection.add_query_logger(lambda query: said.append(query.query))

    async with postgres_pool(
        database_url, schema="shop", migrations=tmp_path, connections_max=1, on_connect=listen
    ) as pool:
        said.clear()
        async with pool.acquire() as connection:
            await connection.execute("BEGIN; INSERT INTO a VALUES (1)")
        assert await pool.fetchval("SELECT count(*) FROM a") == 0
    assert said == ["BEGIN; INSERT INTO a VALUES (1)", "ROLLBACK", "SELECT count(*) FROM a"]


async def test_whoever_is_cancelled_before_a_prepared_statement_runs_leaves_no_transaction(
    database_url: str, tmp_path: Path
) -> None:
    async with postgres_pool(database_url, schema="shop", migrations=tmp_path, connections_max=1) as pool:
        with pytest.raises(asyncio.CancelledError):
            async with pool.acquire() as connection:
                asking: Any = connection.fetchrow("SELECT 1")
                prepared = asking.send(None)
                prepared._asyncio_future_blocking = False
                await asyncio.wait({prepared})
                asking.throw(asyncio.CancelledError())
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            assert await connection.fetchval("SHOW transaction_isolation") == "repeatable read"
