"""What the ledger's bench measures: PostgreSQL with its durability on, and billing processes on it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import aiohttp
import asyncpg
from prometheus_client.parser import text_string_to_metric_families

from sandbox import parts
from sandbox.ports import HOST, free_ports
from sandbox.probe import http_ok
from sandbox.processes import PartError, Process, minimal_env
from sandbox.state import State
from sandbox.supervisor import Supervisor
from services.billing.operations import OpenWallet
from services.billing.store import PostgresLedger

# A commit that has been answered survives a loss of power.
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

_SCHEMA = {"search_path": "billing"}


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL of our own."""

    url: str
    pid: int

    @classmethod
    @asynccontextmanager
    async def started(cls, state: State) -> AsyncIterator["Database"]:
        """Run it until the context is left.

        Raises:
            PartError: It does not start, or would lose commits with the power.
        """
        supervisor = Supervisor()
        try:
            part = await parts.start_postgres({}, state, supervisor, free_ports(1)[0])
            database = cls(part.env["DATABASE_URL"], supervisor.process("PostgreSQL").pid)
            await database._demand_durability()
            yield database
        finally:
            await supervisor.stop()

    async def open_wallets(self, users: Sequence[str], credit_micros: int) -> None:
        """Give each user a wallet, through the ledger's own rules; billing must have made its schema before."""
        async with asyncpg.create_pool(self.url, min_size=1, server_settings=_SCHEMA) as pool:
            await PostgresLedger(pool).apply([OpenWallet(user, credit_micros) for user in users], datetime.now(UTC))

    async def _demand_durability(self) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            found = {name: await connection.fetchval(f"SHOW {name}") for name in _DURABLE}
        finally:
            await connection.close()
        if found != _DURABLE:
            raise PartError(f"PostgreSQL is not durable, so its figures would be worth nothing: {found}.")


@dataclass(frozen=True, slots=True)
class BillingProcess:
    """A billing process as it is delivered."""

    pid: int
    port: int
    metrics_url: str

    async def transactions(self) -> tuple[float, float]:
        """How many transactions it has made so far, and how many writes were in them."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics_url) as answer:
            families = text_string_to_metric_families(await answer.text())
        values = {sample.name: sample.value for family in families for sample in family.samples}
        return values["queqiao_ledger_batch_size_count"], values["queqiao_ledger_batch_size_sum"]


@asynccontextmanager
async def billing_processes(database: Database, state: State, count: int) -> AsyncIterator[list[BillingProcess]]:
    """So many of them until the context is left."""
    started: list[Process] = []
    running: list[BillingProcess] = []
    ports = free_ports(2 * count)
    try:
        for number, (port, metrics_port) in enumerate(zip(ports[::2], ports[1::2], strict=True)):
            name, metrics_url = f"billing-{number}", f"http://{HOST}:{metrics_port}/metrics"
            env = {"DATABASE_URL": database.url, "PORT": str(port), "METRICS_PORT": str(metrics_port), "DRAIN_S": "1"}
            argv = [sys.executable, "-m", "services.billing"]
            process = await Process.start(name, argv, log=state.log(name), env=minimal_env() | env)
            started.append(process)
            await process.ready(partial(http_ok, metrics_url), timeout_s=20)
            running.append(BillingProcess(process.pid, port, metrics_url))
        yield running
    finally:
        await asyncio.gather(*(process.stop(grace_s=5) for process in started))
