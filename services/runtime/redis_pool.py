"""Connections to one Redis that is left alone while it is silent."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import hiredis
import redis.exceptions
import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer

_CONNECT_S = 1.0

# A command is tried twice: together that is the patience of a second. The second try is for a connection that has gone
# stale, and for an answer that was there while this process itself was busy.
_ANSWER_S = 0.5

# How often a silent Redis is asked whether it is back.
PROBE_S = 0.25

log = structlog.get_logger()


def once_more() -> Retry:
    """Once more and at once; by default redis-py would wait for seconds."""
    return Retry(NoBackoff(), 1)


# What every connection here is made with.
PATIENCE: Mapping[str, Any] = {"socket_connect_timeout": _CONNECT_S, "socket_timeout": None, "protocol": 3}


class Patience:
    """A connection that waits so long for an answer, and may be cancelled at any time.

    redis-py's own `socket_timeout` sends with `asyncio.wait_for`, which in Python 3.11 now and then swallows a
    cancellation (cpython issue 86296), and costs a task for each command.
    """

    def __init__(self, *, on_silence: Callable[[], None], **options: Any) -> None:
        """Tell of a silence; everything else is redis-py's."""
        super().__init__(**options)
        self._on_silence = on_silence
        # redis-py's asyncio packs in Python, its other client in C.
        self._serializer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as Redis reads it."""
        try:
            if " " not in args[0]:
                return [hiredis.pack_command(args)]
        except TypeError:
            pass
        # A name of two words, or bytes of a kind that hiredis does not know.
        packed: list[bytes] = self._serializer.pack(*args)
        return packed

    async def read_responses(self, count: int) -> list[Any]:
        """Read so many answers; one that is an error of Redis' own stands among them.

        Raises:
            redis.exceptions.TimeoutError: They did not all come; the connection is closed.
        """
        read = super().read_response  # type: ignore[misc]  # a mixin
        answers: list[Any] = []
        try:
            async with asyncio.timeout(_ANSWER_S):
                while len(answers) < count:
                    try:
                        answers.append(await read())
                    except redis.exceptions.ResponseError as error:
                        answers.append(error)
        except TimeoutError:
            self._on_silence()
            raise redis.exceptions.TimeoutError("Redis does not answer.") from None
        return answers

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


def patient(connection_class: type[Any]) -> type[Any]:
    """Connections of this class, with patience."""
    return type(connection_class.__name__, (Patience, connection_class), {})


async def answers(connection: AbstractConnection) -> bool:
    """Whether somebody answers there."""
    try:
        await connection.send_command("PING")
        await connection.read_response()
    except (redis.exceptions.RedisError, OSError):
        return False
    return True


class PatientPool(ConnectionPool):
    """Connections to a Redis that is left alone while it is silent."""

    def __init__(self, **options: Any) -> None:
        """Make connections with these options, as redis-py has them."""
        super().__init__(**PATIENCE, retry=once_more(), **options, on_silence=self._fell_silent)
        self._probing: asyncio.Task[None] | None = None
        self._retired = False

    async def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> AbstractConnection:
        """A connection.

        Raises:
            redis.exceptions.ConnectionError: Redis is silent; nobody waits for it now.
            redis.exceptions.RedisError: There is none to be had.
        """
        self.demand_heard()
        return await self._connection()

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back: as redis-py does, without what it counts and tells for others."""
        self._in_use_connections.remove(connection)
        if connection.should_reconnect():  # type: ignore[no-untyped-call]  # redis-py's
            await connection.disconnect()
        self._available_connections.append(connection)

    def demand_heard(self) -> None:
        """Go on unless Redis is silent.

        Raises:
            redis.exceptions.ConnectionError: It is.
        """
        if self._probing is not None:
            raise redis.exceptions.ConnectionError("Redis is silent, and left alone until it answers.")

    async def retire(self) -> None:
        """Make no connection any more, and ask no more whether Redis is back."""
        self._retired = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _connection(self) -> AbstractConnection:
        self._demand_open()
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]  # redis-py's
        try:
            await self.ensure_connection(connection)
            self._demand_open()
        except BaseException as error:
            # It may have been made just as the client closed.
            await connection.disconnect(nowait=True)
            await self.release(connection)
            if isinstance(error, redis.exceptions.TimeoutError):
                self._fell_silent()
            raise
        return connection

    def _demand_open(self) -> None:
        if self._retired:
            raise redis.exceptions.ConnectionError("This client of Redis is closed.")

    def _fell_silent(self) -> None:
        if self._probing is None and not self._retired:
            log.warning("redis is silent: it is left alone until it answers")
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        try:
            # First at once: it may have been this process that was too busy to hear.
            while not await self._answers():  # noqa: ASYNC110  # the other side has no event to wait for
                await asyncio.sleep(PROBE_S)
            log.info("redis answers again")
        finally:
            self._probing = None

    async def _answers(self) -> bool:
        with suppress(redis.exceptions.RedisError, OSError):
            connection = await self._connection()
            try:
                return await answers(connection)
            finally:
                await self.release(connection)
        return False
