"""Real PostgreSQL and Redis for every test that stores something.

Each session starts servers of its own on free ports, so tests run beside a mesh that `make run` started, and beside
each other.
"""

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import redis.asyncio

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from tests.server_folder import server_folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together when `make test` spreads them over lanes.

    All that share a mesh run in one lane, so that there is one of it; the others file by file. Files say so themselves
    when they are of the group `clock`, which measures time, or `alone`.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            names = getattr(item, "fixturenames", ())
            shared = next((name for name in ("mesh", "watched") if name in names), item.location[0])
            item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session")
def state() -> Iterator[State]:
    """The state folder of this session's servers."""
    with server_folder() as folder:
        yield State(folder)


@pytest.fixture(scope="session")
async def postgres_url(state: State) -> AsyncIterator[str]:
    """The DSN of this session's PostgreSQL; use `database_url` for a database of one's own."""
    supervisor = Supervisor()
    try:
        part = await parts.start_postgres({}, state, supervisor, free_ports(1)[0])
        yield part.env["DATABASE_URL"]
    finally:
        await supervisor.stop()


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """The DSN of a fresh, empty database."""
    name = f"test_{secrets.token_hex(6)}"
    server = await asyncpg.connect(postgres_url)
    try:
        await server.execute(f"CREATE DATABASE {name}")
        yield f"{postgres_url.rsplit('/', 1)[0]}/{name}"
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


@pytest.fixture(scope="session")
async def redis_url(state: State) -> AsyncIterator[str]:
    """The URL of this session's Redis; use `redis_database_url` for an empty one."""
    supervisor = Supervisor()
    try:
        part = await parts.start_redis({}, state, supervisor, free_ports(1)[0])
        yield part.env["REDIS_URL"]
    finally:
        await supervisor.stop()


@pytest.fixture
async def redis_database_url(redis_url: str) -> str:
    """The URL of an empty Redis database."""
    url = f"{redis_url.rsplit('/', 1)[0]}/1"
    async with redis.asyncio.from_url(url) as client:
        await client.flushdb()
    return url
