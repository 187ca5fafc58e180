"""Real PostgreSQL and Redis for every test that stores something.

Each session starts servers of its own on free ports, so tests run beside a mesh that `make run` started, and beside
each other.
"""

import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from sandbox import parts, postgres
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor

# Tests of these folders and files compare times with a budget, or want all cores for a model: they run when nothing
# else does, in `make test` after the lanes.
_ALONE = (
    "integration/moderation/layers",
    "integration/monitoring",
    "integration/moderation/test_policies.py",
    "integration/chat/test_exact_counts.py",
    "e2e/test_local_model.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which lane a test runs in.

    Tests of one file run on one worker, and all that share a mesh on the same, so that there is one of it.
    """
    for item in items:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        if path.startswith(_ALONE):
            item.add_marker(pytest.mark.alone)
        names = getattr(item, "fixturenames", ())
        shared = next((name for name in ("mesh", "watched") if name in names), path)
        item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state folder of this session's servers."""
    return State(tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="session")
async def postgres_url(state: State) -> AsyncIterator[str]:
    """The DSN of this session's PostgreSQL; use `database_url` for a database of one's own."""
    supervisor = Supervisor()
    try:
        part = await parts.start_postgres({}, state, supervisor, free_ports(1)[0])
        yield part.env["DATABASE_URL"]
    finally:
        await supervisor.stop()
        remove_postgres_data(state.folder)


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


def remove_postgres_data(folder: Path) -> None:
    """Remove what root's PostgreSQL keeps outside a private state folder; the binaries stay for the next session."""
    shutil.rmtree(postgres.public_folder(folder), ignore_errors=True)
