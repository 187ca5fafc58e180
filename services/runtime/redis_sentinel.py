"""The Redis that Sentinels name: whichever server is the primary now."""

import asyncio
from typing import Any

import redis.exceptions
from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff

from services.runtime.redis_address import RedisAddress
from services.runtime.redis_pool import PATIENCE, PatientPool, patient


class SentinelPool(PatientPool, SentinelConnectionPool):
    """Connections to the primary. A new one asks the Sentinels; one to a server that is no primary any more ends."""

    def __init__(self, address: RedisAddress) -> None:
        """Ask these Sentinels."""
        options = dict(address.options)
        tls = options.pop("connection_class", Connection) is SSLConnection
        super().__init__(
            service_name=address.service,
            sentinel_manager=_sentinels(address, options, tls=tls),
            connection_class=patient(SentinelManagedSSLConnection if tls else SentinelManagedConnection),
            **options,
        )

    async def get_master_address(self) -> tuple[str, int]:
        """Where the primary is; where it was, when no Sentinel answers: that they are away takes nothing away.

        Raises:
            redis.exceptions.ConnectionError: No Sentinel has said it yet.
        """
        known: tuple[str, int] | None = self.master_address
        try:
            address: tuple[str, int] = await super().get_master_address()  # type: ignore[no-untyped-call]  # redis-py's
        except redis.exceptions.ConnectionError:
            if known is None:
                raise
            return known
        return address

    async def aclose(self) -> None:
        """Close these connections and those to the Sentinels."""
        await asyncio.gather(super().aclose(), self.sentinel_manager.aclose())


def _sentinels(address: RedisAddress, options: dict[str, Any], *, tls: bool) -> Sentinel:
    manager = Sentinel([])  # type: ignore[no-untyped-call]  # redis-py's
    encrypted = {name: value for name, value in options.items() if name.startswith("ssl_")}
    manager.sentinels = [
        Redis.from_pool(
            ConnectionPool(
                connection_class=patient(SSLConnection if tls else Connection),
                host=host,
                port=port,
                on_silence=_next_one,
                # There are others to ask.
                retry=Retry(NoBackoff(), 0),
                **PATIENCE,
                **encrypted,
                **address.sentinel_options,
            )
        )
        for host, port in address.nodes
    ]
    return manager


def _next_one() -> None:
    """A Sentinel that is silent is no reason to leave Redis alone."""
