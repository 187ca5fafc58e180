"""Redis: a client that gives up quickly, because nothing that only Redis knows is worth waiting for.

A Redis that is gone says so at once. One that is silent (frozen, or behind a line that swallows packets) costs whoever
asks a second, once: the process then leaves it alone, every call fails at once, and one task asks it again and again
whether it is back. `services.runtime.breaker` would let some user's call find that out, and wait for it.

It may be one server, a cluster, or the server that Sentinels name (`redis_address`): services do not know which. So
what one script or one transaction touches shares a hash tag, and a pipeline is none.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import redis.asyncio
import redis.exceptions

from services.runtime.errors import ConfigurationError, StartupError
from services.runtime.redis_address import Form, RedisAddress, redis_address
from services.runtime.redis_cluster import PatientCluster
from services.runtime.redis_pool import PatientPool, patient
from services.runtime.redis_sentinel import SentinelPool
from services.runtime.redis_sharing import SharingRedis


@asynccontextmanager
async def redis_client(url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """Connect, check, and close in the end; values are bytes.

    Raises:
        StartupError: Redis does not answer.
        ConfigurationError: The address is none.
    """
    try:
        address = redis_address(url)
    except ValueError as error:
        raise ConfigurationError(f"REDIS_URL is wrong: {error}") from None
    async with _of_cluster(address) if address.form is Form.CLUSTER else _of_server(address) as client:
        try:
            await client.ping()
        except (redis.exceptions.RedisError, OSError):
            raise StartupError(f"Redis at {address.where} does not answer: start it, or check REDIS_URL.") from None
        yield client


@asynccontextmanager
async def _of_server(address: RedisAddress) -> AsyncIterator["redis.asyncio.Redis"]:
    pool = SentinelPool(address) if address.form is Form.SENTINEL else _pool(address)
    client = cast("SharingRedis", SharingRedis.from_pool(pool))
    try:
        yield client
    finally:
        # What is under way may still need a connection.
        await client.drain()
        await pool.retire()
        await client.aclose()


@asynccontextmanager
async def _of_cluster(address: RedisAddress) -> AsyncIterator["redis.asyncio.Redis"]:
    client = PatientCluster(address)
    try:
        # It has the same commands, and shares no class with it.
        yield cast("redis.asyncio.Redis", client)
    finally:
        await client.hang_up()


def _pool(address: RedisAddress) -> PatientPool:
    options = dict(address.options)
    # Plain, TLS or a socket in the file system: the address says which.
    kind = options.pop("connection_class", redis.asyncio.Connection)
    return PatientPool(connection_class=patient(kind), **options)


def connections(client: "redis.asyncio.Redis | PatientCluster") -> tuple[int, int, int]:
    """How many connections are in use, idle, and may be."""
    if isinstance(client, PatientCluster):
        return client.connections()
    (idle, _), (used, _) = client.connection_pool.get_connection_count()
    return used, idle, client.connection_pool.max_connections
