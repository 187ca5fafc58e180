"""What the owner asks: how many people came, and what money moved, over the last 24 hours."""

import asyncio
import math

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.billing.books import sql
from services.billing.domain import Kind
from services.runtime.postgres import FAILED

_EVERY_S = 60.0
_SEEN = ("active", "new", "paying")

log = structlog.get_logger()


class OwnerGauge:
    """Exports the figures. Every replica says the same: take the maximum, not the sum."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", registry: CollectorRegistry) -> None:
        """Read from this pool."""
        self._pool = pool
        self._users = Gauge(
            "queqiao_users_24h",
            "Users of the last 24 hours: active (asked something), new (were given trial credit), paying (topped up).",
            ["seen"],
            registry=registry,
        )
        self._moved_micros = Gauge(
            "queqiao_moved_24h_micro_yuan",
            "Money that moved in the last 24 hours, by kind: topup and refund (paid and given back by WeChat), turn "
            "(charged), reversal (of charges), cost (of providers), trial and grant (given by us).",
            ["kind"],
            registry=registry,
        )

    async def run(self) -> None:
        """Read again and again; run it as a task and cancel it."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Read once."""
        try:
            users = dict(await self._pool.fetchrow(sql.USERS_24H) or {})
            moved = {row["kind"]: row["amount"] for row in await self._pool.fetch(sql.MOVED_24H)}
            absent = 0.0
        except FAILED as error:
            log.warning("the owner's figures not read", error=type(error).__name__)
            # An old figure would look like a true one.
            users, moved, absent = {}, {}, math.nan
        for seen in _SEEN:
            self._users.labels(seen).set(users.get(seen, absent))
        for kind in Kind:
            self._moved_micros.labels(kind.value).set(moved.get(kind.value, absent))
