"""Real servers of Redis for a test's own: a cluster, and a primary with its replica and Sentinels."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from sandbox import redis as server
from sandbox.ports import HOST, free_ports
from sandbox.processes import Process
from tests.server_folder import server_folder

PASSWORD = "secret"
_SLOTS = 16384
_SOON = ("repl-diskless-sync-delay 0", f"masterauth {PASSWORD}")


@dataclass
class Servers:
    """Running servers, by their ports, and the URL that a service is told."""

    url: str
    processes: dict[int, Process] = field(default_factory=dict)

    async def ask(self, port: int, *command: str | int, password: str | None = PASSWORD) -> Any:
        """What one of them answers."""
        async with redis.asyncio.Redis(host=HOST, port=port, password=password) as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's

    async def kill(self, port: int) -> None:
        """Kill one, for good."""
        self.processes[port].kill()
        await self.processes[port].finished()

    @contextmanager
    def frozen(self, port: int) -> Iterator[None]:
        """Stop one with SIGSTOP, and let it go on in the end."""
        os.kill(self.processes[port].pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.processes[port].pid, signal.SIGCONT)


@asynccontextmanager
async def own_cluster(*, primaries: int = 3, replicas: int = 0) -> AsyncIterator[Servers]:
    """Start a cluster; the first `replicas` of its primaries have one."""
    ports = free_ports(2 * (primaries + replicas))
    places = [*zip(ports[::2], ports[1::2], strict=True)]
    nodes = ",".join(f"{HOST}:{port}" for port, _ in places)
    async with _running(f"redis+cluster://:{PASSWORD}@{nodes}") as (servers, folder):
        for port, bus in places:
            # Where nobody could take over, nobody need be quick to think that a busy machine's node is gone.
            timeout_ms = 600 if replicas else 5000
            more = (*_SOON, "cluster-enabled yes", f"cluster-port {bus}", f"cluster-node-timeout {timeout_ms}")
            await _start(servers, port, folder, more)
        for number, (port, _) in enumerate(places[:primaries]):
            first, end = (_SLOTS * each // primaries for each in (number, number + 1))
            await servers.ask(port, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for port, bus in places[1:]:
            await servers.ask(places[0][0], "CLUSTER", "MEET", HOST, port, bus)
        for (port, _), (primary, _) in zip(places[primaries:], places, strict=False):
            name = await servers.ask(primary, "CLUSTER", "MYID")
            await _until(_known, servers, port, name)
            await servers.ask(port, "CLUSTER", "REPLICATE", name)
        for port, _ in places:
            await _until(_whole, servers, port, len(places), replicas)
        yield servers


@asynccontextmanager
async def own_sentinels() -> AsyncIterator[Servers]:
    """Start a primary, a replica of it and three Sentinels that call it `main`."""
    primary, replica, *sentinels = free_ports(5)
    nodes = ",".join(f"{HOST}:{port}" for port in sentinels)
    async with _running(f"redis+sentinel://:{PASSWORD}@{nodes}/main/0") as (servers, folder):
        await _start(servers, primary, folder, _SOON)
        await _start(servers, replica, folder, (*_SOON, f"replicaof {HOST} {primary}"))
        await _until(_linked, servers, replica)
        for port in sentinels:
            data = folder / str(port)
            data.mkdir()
            config = data / "sentinel.conf"
            config.write_text(
                f"bind {HOST}\nport {port}\ndir {data}\nsentinel monitor main {HOST} {primary} 2\n"
                f"sentinel auth-pass main {PASSWORD}\nsentinel down-after-milliseconds main 500\n"
                "sentinel failover-timeout main 2000\n",
                encoding="utf-8",
            )
            argv = [server.binary(), str(config), "--sentinel"]
            servers.processes[port] = await Process.start("A Sentinel", argv, log=folder / f"{port}.log")
        for port in sentinels:
            await _until(_knows, servers, port)
        yield servers


@asynccontextmanager
async def _running(url: str) -> AsyncIterator[tuple[Servers, Path]]:
    servers = Servers(url)
    with server_folder() as folder:
        try:
            yield servers, folder
        finally:
            await asyncio.gather(*(process.stop(grace_s=2) for process in servers.processes.values()))


async def _start(servers: Servers, port: int, folder: Path, more: Sequence[str]) -> None:
    process = await server.start(port, PASSWORD, folder / str(port), folder / f"{port}.log", more=more)
    servers.processes[port] = process
    await process.ready(lambda: server.answers(server.url(port, PASSWORD)), timeout_s=10)


async def _until(is_so: Callable[..., Awaitable[bool]], *arguments: Any) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                if await is_so(*arguments):
                    return
            except (RedisError, OSError):
                pass
            await asyncio.sleep(0.03)


async def _known(servers: Servers, port: int, name: bytes) -> bool:
    return name in await servers.ask(port, "CLUSTER", "NODES")


async def _whole(servers: Servers, port: int, nodes: int, replicas: int) -> bool:
    lines = (await servers.ask(port, "CLUSTER", "NODES")).decode().splitlines()
    state = (await servers.ask(port, "CLUSTER", "INFO")).decode()
    return (
        "cluster_state:ok" in state
        and sum("connected" in line.split() for line in lines) == nodes
        and sum("slave" in line.split()[2] for line in lines) == replicas
        and await _linked(servers, port)
    )


async def _linked(servers: Servers, port: int) -> bool:
    """Whether it is a primary, or a replica that has what its primary has."""
    told = await servers.ask(port, "INFO", "replication")
    return bool(told["role"] == "master" or told["master_link_status"] == "up")


async def _knows(servers: Servers, port: int) -> bool:
    """Whether a Sentinel knows the replica and both other Sentinels."""
    answer = await servers.ask(port, "SENTINEL", "MASTER", "main", password=None)
    told = dict(answer) if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    return [str(told.get(name, told.get(name.encode()))) for name in ("num-slaves", "num-other-sentinels")] in (
        ["1", "2"],
        ["b'1'", "b'2'"],
    )
