"""Redis: a client that gives up quickly, because nothing that only Redis knows is worth waiting for.

A Redis that is gone says so at once. One that is silent (frozen, or behind a line that swallows packets) costs whoever
asks a second, once: the process then leaves it alone, every call fails at once, and one task asks it again and again
whether it is back. `services.runtime.breaker` would let some user's call find that out, and wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio
import redis.exceptions
import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from services.runtime.errors import ConfigurationError, StartupError

_CONNECT_S = 1.0

# A command is tried twice: together that is the patience of a second. The second try is for a connection that has gone
# stale, and for an answer that was there while this process itself was busy.
_ANSWER_S = 0.5

# How often a silent Redis is asked whether it is back.
_PROBE_S = 0.25

log = structlog.get_logger()


class _Patience:
    """A connection that waits so long for an answer, and may be cancelled at any time.

    redis-py's own `socket_timeout` sends with `asyncio.wait_for`, which in Python 3.11 now and then swallows a
    cancellation (cpython issue 86296), and costs a task for each command.
    """

    def __init__(self, *, on_silence: Callable[[], None], **options: Any) -> None:
        """Tell of a silence; everything else is redis-py's."""
        super().__init__(**options)
        self._on_silence = on_silence

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None, **options: Any) -> Any:
        """Read an answer; with a `timeout` in seconds, as redis-py has it.

        Raises:
            redis.exceptions.TimeoutError: None came; the connection is closed.
        """
        read = super().read_response  # type: ignore[misc]  # a mixin
        if timeout is not None:
            return await read(disable_decoding, timeout, **options)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await read(disable_decoding, **options)
        except TimeoutError:
            self._on_silence()
            raise redis.exceptions.TimeoutError("Redis does not answer.") from None


class _PatientPool(ConnectionPool):
    """Connections to a Redis that is left alone while it is silent."""

    def __init__(self, **options: Any) -> None:
        """Make connections with these options."""
        super().__init__(**options, on_silence=self._fell_silent)
        self._probing: asyncio.Task[None] | None = None

    async def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> AbstractConnection:
        """A connection.

        Raises:
            redis.exceptions.ConnectionError: Redis is silent; nobody waits for it now.
            redis.exceptions.RedisError: There is none to be had.
        """
        if self._probing is not None:
            raise redis.exceptions.ConnectionError("Redis is silent, and left alone until it answers.")
        return await self._connection()

    async def close_probe(self) -> None:
        """Ask no more whether Redis is back."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _connection(self) -> AbstractConnection:
        try:
            connection: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]  # redis-py's
        except redis.exceptions.TimeoutError:
            self._fell_silent()
            raise
        return connection

    def _fell_silent(self) -> None:
        if self._probing is None:
            log.warning("redis is silent: it is left alone until it answers")
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        try:
            # First at once: it may have been this process that was too busy to hear.
            while not await self._answers():  # noqa: ASYNC110  # the other side has no event to wait for
                await asyncio.sleep(_PROBE_S)
            log.info("redis answers again")
        finally:
            self._probing = None

    async def _answers(self) -> bool:
        with suppress(redis.exceptions.RedisError, OSError):
            connection = await self._connection()
            try:
                await connection.send_command("PING")
                await connection.read_response()
            finally:
                await self.release(connection)
            return True
        return False


@asynccontextmanager
async def redis_client(url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """Connect, check, and close in the end; values are bytes.

    Raises:
        StartupError: Redis does not answer.
        ConfigurationError: The address is none.
    """
    where = urlsplit(url).hostname or "its socket"
    try:
        pool = _pool(url)
    except ValueError as error:
        raise ConfigurationError(f"REDIS_URL is wrong: {error}") from None
    client = redis.asyncio.Redis.from_pool(pool)
    try:
        try:
            await client.ping()
        except (redis.exceptions.RedisError, OSError):
            raise StartupError(f"Redis at {where} does not answer: start it, or check REDIS_URL.") from None
        yield client
    finally:
        await pool.close_probe()
        await client.aclose()


def _pool(url: str) -> _PatientPool:
    options: dict[str, Any] = {**parse_url(url)}
    # Plain, TLS or a socket in the file system: the address says which.
    kind = options.pop("connection_class", redis.asyncio.Connection)
    return _PatientPool(
        connection_class=type(kind.__name__, (_Patience, kind), {}),
        **options,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=None,
        protocol=3,
        # Once more and at once; by default it would wait for seconds.
        retry=Retry(NoBackoff(), 1),
    )
