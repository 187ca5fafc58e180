"""A real Redis of a test's own, which can be frozen: it neither answers nor goes away."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sandbox import redis
from sandbox.ports import free_ports
from sandbox.processes import Process
from tests.server_folder import server_folder


class OwnRedis:
    """A running server."""

    def __init__(self, url: str, process: Process) -> None:
        """This process, at this URL."""
        self.url = url
        self._process = process

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it with SIGSTOP, and let it go on in the end."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)


@asynccontextmanager
async def own_redis() -> AsyncIterator[OwnRedis]:
    """Start one, and stop it in the end."""
    with server_folder() as folder:
        port = free_ports(1)[0]
        url = redis.url(port, "secret")
        process = await redis.start(port, "secret", folder / "redis", folder / "redis.log")
        try:
            await process.ready(lambda: redis.answers(url), timeout_s=10)
            yield OwnRedis(url, process)
        finally:
            await process.stop(grace_s=2)
