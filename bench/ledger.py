"""The ledger alone: turns are reserved and settled through chat's own client, on a PostgreSQL that syncs every commit.

`make bench` measures it last; alone it is `python -m bench.ledger`.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import figures, machine, report
from bench.ledger_parts import BillingProcess, Database, billing_processes
from sandbox import postgres
from sandbox.ports import HOST
from sandbox.processes import PartError
from sandbox.state import State
from services.chat.clients import WalletClient
from services.chat.domain import Model, Options, Outcome, Question, Usage
from services.chat.ports import Bill, Wallet
from services.runtime.channels import Peer
from services.runtime.trace import Telemetry

_ROOT = Path(__file__).resolve().parent.parent
_STATE = _ROOT / ".run" / "bench-ledger"

_MODEL = Model("gpt-4o-mini", 128_000, 16_384, "o200k_base")
_RESERVED_TOKENS = (1000, 500)
_USED = Usage(1000, 300)
_CREDIT_MICROS = 10**12
_USERS = 1000
_WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """Closed loop: as soon as a turn is settled the next one reserves; each is of any of the users."""

    processes: int
    users: int
    turns_at_once: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load gave. CPU is milliseconds a turn, by process; latencies are milliseconds."""

    load: Load
    turns: int
    turns_per_s: float
    reserve_ms: Mapping[str, float] | None
    settle_ms: Mapping[str, float] | None
    cpu_ms_per_turn: Mapping[str, float]
    writes_per_transaction: float
    steal_share: float


@dataclass(slots=True)
class _Latencies:
    """Of the turns that were answered, in milliseconds."""

    reserve_ms: list[float] = field(default_factory=list)
    settle_ms: list[float] = field(default_factory=list)


class Driver:
    """Runs turns as chat would, over one client."""

    def __init__(self, wallet: Wallet, users: Sequence[str], seed: int) -> None:
        """Run turns of these users."""
        self._wallet = wallet
        self._users = users
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._run = f"{seed}_{time.time_ns()}"

    async def run(self, turns_at_once: int, seconds: float) -> _Latencies:
        """Begin no turn after so many seconds, and wait for those that were begun."""
        latencies = _Latencies()
        deadline = time.perf_counter() + seconds

        async def one_after_another() -> None:
            while time.perf_counter() < deadline:
                await self._turn(latencies)

        async with asyncio.TaskGroup() as group:
            for _ in range(turns_at_once):
                group.create_task(one_after_another())
        return latencies

    async def _turn(self, latencies: _Latencies) -> None:
        request_id, user = f"{self._run}_{next(self._numbers)}", self._random.choice(self._users)
        question = Question(request_id, user, "", _MODEL.id, (), Options())
        begin = time.perf_counter()
        await self._wallet.reserve(question, _MODEL, *_RESERVED_TOKENS)
        reserved = time.perf_counter()
        await self._wallet.settle(Bill(user, request_id, _USED, Outcome.COMPLETED))
        latencies.reserve_ms.append((reserved - begin) * 1000)
        latencies.settle_ms.append((time.perf_counter() - reserved) * 1000)


def loads(*, quick: bool, seconds: float | None = None) -> list[Load]:
    """What is measured: growing crowds of many users and of one alone, by one billing process and by two."""
    seconds = seconds or (1 if quick else 2)
    crowds, of_one = ((1, 32, 512), (128,)) if quick else ((1, 8, 32, 128, 512), (32, 512))
    kinds = [(_USERS, crowd) for crowd in crowds] + [(1, crowd) for crowd in of_one]
    return [Load(processes, users, crowd, seconds) for processes in (1, 2) for users, crowd in kinds]


async def measure(
    folder: Path, planned: Sequence[Load], progress: Callable[[str], None] = lambda line: None
) -> list[Measured]:
    """Start everything, put each load on it, stop everything.

    Args:
        folder: Where the state lives.
        planned: In this order; those of as many billing processes beside each other.
        progress: Told what is being measured.

    Raises:
        PartError: Something does not start.
    """
    results = []
    state = State(folder)
    lock = state.open()
    try:
        async with Database.started(state) as database:
            for count, group in itertools.groupby(planned, key=lambda load: load.processes):
                async with billing_processes(database, state, count) as running:
                    for load in group:
                        progress(
                            f"measuring: ledger, {load.turns_at_once} turns at once of {load.users} users, {count} x"
                        )
                        results.append(await _measured(database, running, load))
    finally:
        lock.close()
    return results


async def _measured(database: Database, running: Sequence[BillingProcess], load: Load) -> Measured:
    users = [f"bench-{number}" for number in range(load.users)]
    await database.open_wallets(users, _CREDIT_MICROS)
    pids = {"postgres": database.pid} | {f"billing-{n}": process.pid for n, process in enumerate(running)}
    async with _wallet(running) as wallet:
        driver = Driver(wallet, users, seed=load.turns_at_once)
        await driver.run(load.turns_at_once, _WARM_UP_S)
        clock, used, batches = machine.CpuClock.now(), machine.usages(pids), await _batches(running)
        begin, own_cpu_s = time.perf_counter(), time.process_time()
        latencies = await driver.run(load.turns_at_once, load.seconds)
        seconds, own_cpu_s = time.perf_counter() - begin, time.process_time() - own_cpu_s
        after = machine.usages(pids)
        steal_share = machine.CpuClock.now().steal_share_since(clock)
        transactions, writes = (late - early for late, early in zip(await _batches(running), batches, strict=True))
    turns = len(latencies.reserve_ms)
    cpu_s = {name: after[name].cpu_s - used[name].cpu_s for name in pids}
    billing_s = sum(spent for name, spent in cpu_s.items() if name != "postgres")
    spent_s = {"billing": billing_s, "postgres": cpu_s["postgres"], "client": own_cpu_s}
    return Measured(
        load=load,
        turns=turns,
        turns_per_s=round(turns / seconds, 1),
        reserve_ms=figures.spread(latencies.reserve_ms),
        settle_ms=figures.spread(latencies.settle_ms),
        cpu_ms_per_turn={name: round(spent * 1000 / turns, 3) for name, spent in spent_s.items()},
        writes_per_transaction=round(writes / transactions, 1),
        steal_share=round(steal_share, 4),
    )


@asynccontextmanager
async def _wallet(running: Sequence[BillingProcess]) -> AsyncIterator[WalletClient]:
    target = "ipv4:" + ",".join(f"{HOST}:{process.port}" for process in running)
    peer = Peer("billing", target, Telemetry(None))
    try:
        yield WalletClient(peer, turn_s_max=300)
    finally:
        await peer.close()


async def _batches(running: Sequence[BillingProcess]) -> tuple[float, float]:
    """Transactions and writes of all processes so far."""
    counts = [await process.transactions() for process in running]
    return sum(count for count, _ in counts), sum(size for _, size in counts)


def render(results: Sequence[Measured]) -> str:
    """The table."""
    rows: list[tuple[str, ...]] = [
        (
            *("turns at once", "users", "billing", "turns/s", "reserve p50", "p99", "settle p50", "writes/commit"),
            *("billing CPU", "postgres", "together", "client", "stolen"),
        )
    ]
    for measured in results:
        load, cpu = measured.load, measured.cpu_ms_per_turn
        reserve, settle = measured.reserve_ms, measured.settle_ms
        spreads = ((reserve, "p50"), (reserve, "p99"), (settle, "p50"))
        latencies = [f"{spread[name]:.1f}" if spread else "-" for spread, name in spreads]
        spent = [cpu["billing"], cpu["postgres"], cpu["billing"] + cpu["postgres"], cpu["client"]]
        rows.append(
            (
                *(str(load.turns_at_once), str(load.users), str(load.processes), f"{measured.turns_per_s:.0f}"),
                *latencies,
                f"{measured.writes_per_transaction:.1f}",
                *(f"{value:.3f}" for value in spent),
                f"{measured.steal_share:.1%}",
            )
        )
    return f"The ledger alone, by so many billing processes; latencies in ms, then CPU-ms a turn\n{report.table(rows)}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--seconds", type=float, help="of each load")
    parser.add_argument("--quick", action="store_true", help="fewer loads")
    options = parser.parse_args()
    if options.seconds is not None and options.seconds <= 0:
        parser.error("seconds must be more than 0")
    try:
        results = asyncio.run(measure(_STATE, loads(quick=options.quick, seconds=options.seconds)))
    except PartError as error:
        sys.exit(f"bench: {error}")
    print(render(results))
    for folder in (*postgres.folders_outside(_STATE), _STATE):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
