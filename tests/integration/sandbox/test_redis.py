"""The sandbox's Redis: kept over a restart, closed to strangers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[redis.asyncio.Redis, Supervisor]]:
    """A client of a server of this state folder, which is stopped at the end."""
    supervisor = Supervisor()
    try:
        part = await parts.start_redis({}, State(folder), supervisor, free_ports(1)[0])
        async with redis.asyncio.from_url(part.env["REDIS_URL"], decode_responses=True) as client:
            yield client, supervisor
    finally:
        await supervisor.stop()


async def test_state_survives_a_restart(tmp_path: Path) -> None:
    async with server(tmp_path) as (client, _):
        await client.set("word", "还在")
    async with server(tmp_path) as (client, _):
        assert await client.get("word") == "还在"


async def test_it_listens_on_loopback_alone_and_wants_its_password(tmp_path: Path) -> None:
    async with server(tmp_path) as (_, supervisor):
        listening = psutil.Process(supervisor.process("Redis").pid).net_connections(kind="inet")
        assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        port = listening[0].laddr.port
        async with redis.asyncio.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0)) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.get("word")


async def test_the_fixture_gives_an_empty_database(redis_database_url: str) -> None:
    async with redis.asyncio.from_url(redis_database_url) as client:
        assert await client.dbsize() == 0
