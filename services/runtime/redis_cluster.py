"""A cluster of Redis whose nodes are left alone while they are silent or gone.

redis-py draws the map of a cluster anew, and hangs up on all of its nodes, within the call that found something wrong:
whoever asks waits for it, and while a node is gone everyone does so again and again. Here a node that is silent or gone
costs whoever finds out; then calls to it fail at once, those to the others go on, and one task asks for the map until
every node answers, or another has taken its place.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis.exceptions
import structlog
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.maint_notifications import MaintNotificationsConfig

from services.runtime.redis_address import RedisAddress
from services.runtime.redis_pool import PATIENCE, PROBE_S, Patience, answers, once_more, patient

Place = tuple[str, int]

# For each node; as many as redis-py gives a single server.
_CONNECTIONS_MAX = 100

log = structlog.get_logger()


class PatientCluster(RedisCluster):
    """A cluster's client."""

    def __init__(self, address: RedisAddress) -> None:
        """Find the cluster by these nodes."""
        options = {"max_connections": _CONNECTIONS_MAX, **address.options}
        plain = options.pop("connection_class", Connection)
        super().__init__(
            startup_nodes=[ClusterNode(*node) for node in address.nodes],
            # The names that we were told outlive the addresses that the nodes have today.
            dynamic_startup_nodes=False,
            reinitialize_steps=0,
            retry=once_more(),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            ssl=plain is SSLConnection,
            **PATIENCE,
            **options,
        )
        self._probe_class = patient(plain)
        self._lost: set[Place] = set()
        self._looking: asyncio.Task[None] | None = None
        self._is_open = False
        # redis-py takes no class of connections, but makes all of them by what stands here.
        kind = type(plain.__name__, (_NodePatience, plain), {})
        loss: dict[str, Any] = {"is_lost": self._lost.__contains__, "on_loss": self._lose}
        self.nodes_manager.connection_kwargs.update(loss, connection_class=kind)
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = kind
            node.connection_kwargs.update(loss)

    async def initialize(self, *arguments: Any, **options: Any) -> "PatientCluster":
        """Draw the map, the first time; afterwards redis-py asks for it wherever something was wrong, and gets the old.

        Raises:
            redis.exceptions.ConnectionError: No node answers, or they do not have all slots.
        """
        if not self._is_open:
            with _as_redis_errors():
                await super().initialize(*arguments, **options)
            self._is_open = True
        self._initialize = False
        return self

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the node that has the keys.

        Raises:
            redis.exceptions.RedisError: It does not answer, or refuses.
        """
        with _as_redis_errors():
            return await super().execute_command(*args, **kwargs)

    async def aclose(self) -> None:
        """Look at the map again: redis-py closes everything when one node says that the cluster is down."""
        self._look()

    async def hang_up(self) -> None:
        """Close everything, for good."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        # What failed last left the map to be drawn anew, and redis-py closes nothing then.
        self._initialize = not self._is_open
        await super().aclose()

    def connections(self) -> tuple[int, int, int]:
        """How many are in use, idle, and may be at all nodes together."""
        nodes = self.get_nodes()
        idle = sum(len(node._free) for node in nodes)  # noqa: SLF001  # redis-py counts them nowhere
        made = sum(len(node._connections) for node in nodes)  # noqa: SLF001  # as above
        return made - idle, idle, sum(node.max_connections for node in nodes)

    def _lose(self, place: Place) -> None:
        if self._is_open and place not in self._lost:
            log.warning("a node of redis is silent or gone: it is left alone until it answers", node=_named(place))
            self._lost.add(place)
            self._look()

    def _look(self) -> None:
        if self._is_open and self._looking is None:
            self._looking = asyncio.create_task(self._look_again())

    async def _look_again(self) -> None:
        try:
            while True:
                # First at once: it may have been this process that was too busy to hear.
                for place in tuple(self._lost):
                    if await self._answers(place):
                        self._lost.discard(place)
                        log.info("a node of redis answers again", node=_named(place))
                with suppress(redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError):
                    await self.nodes_manager.initialize()
                # Whoever has no slots any more is nobody's business.
                self._lost &= {(node.host, int(node.port)) for node in self.get_primaries()}
                if not self._lost:
                    return
                await asyncio.sleep(PROBE_S)
        finally:
            self._looking = None

    async def _answers(self, place: Place) -> bool:
        options = {
            name: value
            for name, value in self.nodes_manager.connection_kwargs.items()
            if name not in ("connection_class", "is_lost", "on_loss", "max_connections", "response_callbacks")
        }
        host, port = place
        connection = self._probe_class(host=host, port=port, on_silence=_no_news, **options)
        try:
            return await answers(connection)
        finally:
            await connection.disconnect(nowait=True)


class _NodePatience(Patience):
    """A connection to a node that may be lost."""

    def __init__(
        self,
        *,
        is_lost: Callable[[Place], bool],
        on_loss: Callable[[Place], None],
        host: str,
        port: int,
        **options: Any,
    ) -> None:
        """Tell of a node that is silent or gone, and ask nothing of one that is lost."""
        super().__init__(on_silence=lambda: on_loss(self._place), host=host, port=port, **options)
        self._place = (host, int(port))
        self._is_lost = is_lost
        self._on_loss = on_loss

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect, as redis-py does."""
        self._demand()
        try:
            await super().connect_check_health(*arguments, **options)  # type: ignore[misc]  # a mixin
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            self._on_loss(self._place)
            raise

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        """Send, as redis-py does."""
        self._demand()
        await super().send_packed_command(*arguments, **options)  # type: ignore[misc]  # a mixin

    def _demand(self) -> None:
        if self._is_lost(self._place):
            raise redis.exceptions.ConnectionError("This node of Redis is left alone until it answers.")


@contextmanager
def _as_redis_errors() -> Iterator[None]:
    """redis-py's errors of clusters are none of its errors of Redis."""
    try:
        yield
    except redis.exceptions.RedisClusterException as error:
        raise redis.exceptions.ConnectionError(str(error)) from error


def _named(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _no_news() -> None:
    """That it is silent is known."""
