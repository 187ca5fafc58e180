"""Real PostgreSQL and Redis for every test that stores something.

Each session starts servers of its own on free ports, so tests run beside a mesh that `make run` started, and beside
each other.
"""

import gc
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from tests.lanes import Lanes, has_alone
from tests.postgres_servers import database_of_its_own
from tests.redis_servers import Servers, own_cluster
from tests.server_folder import server_folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    """Spread tests over lanes by file, and by groups: `clock` measures time, each of the others shares a mesh."""
    return Lanes(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import every test without looking for garbage, and look for none among what was imported later on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import nothing for `-m alone` that has no such test: all others ran in the lanes before it."""
    return True if config.option.markexpr == "alone" and not has_alone(collection_path) else None


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
    async with database_of_its_own(postgres_url) as url:
        yield url


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


@pytest.fixture(scope="session")
async def redis_cluster() -> AsyncIterator[Servers]:
    """Three nodes of Redis, which a test leaves as it found them."""
    async with own_cluster() as servers:
        yield servers
