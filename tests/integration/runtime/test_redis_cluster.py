"""The client of a cluster: a node that is silent or gone takes nothing away but itself, until another has its place."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest
import redis.asyncio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from redis.crc import key_slot
from redis.exceptions import RedisError

from sandbox.ports import free_ports
from services.runtime.errors import StartupError
from services.runtime.redis import redis_client
from services.runtime.redis_cluster import PatientCluster
from services.runtime.stores import Stores
from services.runtime.trace import Telemetry
from tests.redis_servers import Servers, own_cluster

pytestmark = pytest.mark.xdist_group("clock")

# One for each of three nodes, and more.
KEYS = [f"key-{number}" for number in range(30)]


@pytest.fixture
async def client(redis_cluster: Servers) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis_client(redis_cluster.url) as client:
        yield client


def of_node(number: int, nodes: int = 3) -> list[str]:
    """The keys that a node has."""
    return [key for key in KEYS if key_slot(key.encode()) * nodes // 16384 == number]


async def read(client: redis.asyncio.Redis, keys: Iterable[str]) -> list[Any]:
    return await asyncio.gather(*(client.get(key) for key in keys), return_exceptions=True)


async def all_are_read(client: redis.asyncio.Redis, within_s: float) -> float:
    """Wait until every key is; answers how long that took."""
    begin = time.monotonic()
    async with asyncio.timeout(within_s):
        while any(isinstance(answer, BaseException) for answer in await read(client, KEYS)):
            await asyncio.sleep(0.05)
    return time.monotonic() - begin


async def test_keys_are_spread_over_nodes_and_a_pipeline_takes_what_is_anywhere(client: redis.asyncio.Redis) -> None:
    assert all(len(of_node(number)) > 3 for number in range(3))
    async with client.pipeline(transaction=False) as pipe:
        for key in KEYS:
            pipe.set(key, key)
        assert all(await pipe.execute())
    assert await read(client, KEYS) == [key.encode() for key in KEYS]
    assert sorted([key async for key in client.scan_iter(match="key-*")]) == sorted(key.encode() for key in KEYS)
    assert await client.delete(*KEYS) == len(KEYS)


async def test_a_cancellation_is_never_swallowed_and_mixes_up_no_answers(client: redis.asyncio.Redis) -> None:
    async def ask_again_and_again() -> None:
        while True:
            async with client.pipeline(transaction=False) as pipe:
                for key in KEYS[:6]:
                    pipe.get(key)
                await pipe.execute()

    for key in KEYS:
        await client.set(key, key)
    for attempt in range(100):
        asking = asyncio.create_task(ask_again_and_again())
        await asyncio.sleep(attempt % 20 / 5_000)
        asking.cancel()
        _, running = await asyncio.wait({asking}, timeout=2)
        assert not running
        key = KEYS[attempt % len(KEYS)]
        assert await client.get(key) == key.encode()


async def test_a_connection_that_went_stale_is_noticed_by_nobody(
    redis_cluster: Servers, client: redis.asyncio.Redis
) -> None:
    for key in KEYS:
        await client.set(key, key)
    for port in redis_cluster.processes:
        await redis_cluster.ask(port, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for key in KEYS:
        assert await client.get(key) == key.encode()


async def test_a_silent_node_costs_half_a_second_once_and_the_others_nothing(
    redis_cluster: Servers, client: redis.asyncio.Redis
) -> None:
    for key in KEYS:
        await client.set(key, key)
    silent, others = of_node(1), [*of_node(0), *of_node(2)]
    with redis_cluster.frozen([*redis_cluster.processes][1]):
        begin = time.monotonic()
        assert all(isinstance(answer, RedisError) for answer in await read(client, silent))
        assert time.monotonic() - begin < 1.5
        begin = time.monotonic()
        for _ in range(20):
            assert all(isinstance(answer, RedisError) for answer in await read(client, silent[:2]))
            assert await read(client, others[:2]) == [key.encode() for key in others[:2]]
        assert time.monotonic() - begin < 0.4
    assert await all_are_read(client, within_s=5) < 5


async def test_nodes_that_fall_silent_one_after_the_other_are_all_used_again_when_they_answer(
    redis_cluster: Servers, client: redis.asyncio.Redis
) -> None:
    for key in KEYS:
        await client.set(key, key)
    _, second, third = redis_cluster.processes
    with redis_cluster.frozen(second), redis_cluster.frozen(third):
        asking = asyncio.create_task(read(client, of_node(1)[:1]))
        await asyncio.sleep(0.25)
        # The first of them is just being asked whether it is back when this one is found to be silent.
        answers = [*await read(client, of_node(2)[:1]), *await asking]
        assert all(isinstance(answer, RedisError) for answer in answers)
        await asyncio.sleep(0.5)
    assert await all_are_read(client, within_s=8) < 8


async def test_a_client_closes_all_of_its_connections_though_its_last_call_failed(redis_cluster: Servers) -> None:
    with redis_cluster.frozen([*redis_cluster.processes][1]):
        async with redis_client(redis_cluster.url) as client:
            assert any(isinstance(answer, RedisError) for answer in await read(client, KEYS))
            nodes = cast("PatientCluster", client).get_nodes()
            assert any(connection.is_connected for node in nodes for connection in node._connections)
        assert not any(connection.is_connected for node in nodes for connection in node._connections)
        assert not [task for task in asyncio.all_tasks() if "_look_again" in repr(task)]


async def test_connections_of_all_nodes_are_counted(client: redis.asyncio.Redis) -> None:
    registry = CollectorRegistry()
    Stores(registry, Telemetry(None)).redis(client, "shop")

    def connections(state: str) -> float:
        labels = {"store": "redis", "pool": "shop", "state": state}
        return registry.get_sample_value("queqiao_pool_connections", labels) or 0

    await read(client, KEYS)
    assert connections("used") == 0
    assert connections("idle") >= 3
    waiting = asyncio.ensure_future(client.blpop(["nothing"], timeout=0.3))
    await asyncio.sleep(0.1)
    assert connections("used") == 1
    assert await waiting is None


async def test_what_a_cluster_is_asked_is_a_span_of_the_request_without_its_values(client: redis.asyncio.Redis) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry(provider)
    Stores(CollectorRegistry(), telemetry).redis(client, "shop")
    with telemetry.tracer("test").start_as_current_span("request") as request:
        await client.set("key", "geheim")
        async with client.pipeline(transaction=False) as pipe:
            pipe.get("key")
            assert await pipe.execute() == [b"geheim"]
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert {"SET", "GET", "request"} <= spans.keys()
    for name in ("SET", "GET"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == request.get_span_context().span_id
        assert "geheim" not in str(spans[name].attributes)


async def test_a_cluster_that_is_away_or_is_none_is_given_up_in_a_sentence(redis_url: str) -> None:
    one = redis_url.replace("redis://", "redis+cluster://").removesuffix("/0")
    for url in (f"redis+cluster://:pw@127.0.0.1:{free_ports(1)[0]}", one):
        begin = time.monotonic()
        with pytest.raises(StartupError, match="does not answer: start it, or check REDIS_URL"):
            async with redis_client(url):
                pass
        assert time.monotonic() - begin < 2


async def test_a_replica_takes_the_place_of_a_node_that_dies_and_nothing_else_is_felt() -> None:
    async with own_cluster(replicas=1) as servers:
        first = next(iter(servers.processes))
        async with redis_client(servers.url) as client:
            for key in KEYS:
                await client.set(key, key)
            await servers.ask(first, "WAIT", 1, 1000)
            await servers.kill(first)
            others = [*of_node(1), *of_node(2)]
            begin = time.monotonic()
            assert all(isinstance(answer, RedisError) for answer in await read(client, of_node(0)))
            assert await read(client, others) == [key.encode() for key in others]
            assert time.monotonic() - begin < 1
            # The others look for a second whether it is really gone, and vote.
            assert await all_are_read(client, within_s=10) > 0.3
            assert await read(client, KEYS) == [key.encode() for key in KEYS]
        assert not [task for task in asyncio.all_tasks() if "_look_again" in repr(task)]
