"""Group commit: every write of this process goes through one writer, and what waits shares a transaction.

An idle writer takes a single write at once. Under load batches begin at least `batch_every_s` apart: a transaction
costs about a millisecond of CPU whatever its size, so a few milliseconds of waiting make many writes share it. A caller
that stops waiting does not stop its write.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from services.billing.operations import Operation, Result
from services.billing.ports import LedgerStore, StoreError
from services.runtime.errors import ServiceError, UnavailableError

log = structlog.get_logger()


class WriterMetrics:
    """What an operator asks about the ledger's writes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._size = Histogram(
            "queqiao_ledger_batch_size",
            "Writes in one transaction.",
            registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        )
        self._seconds = Histogram(
            "queqiao_ledger_batch_seconds",
            "Time of one transaction.",
            registry=registry,
            buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2),
        )
        self._operations = Counter(
            "queqiao_ledger_operations",
            "Writes by kind (Expire is a reservation that nobody closed) and result.",
            ["kind", "result"],
            registry=registry,
        )
        self._clamped = Counter(
            "queqiao_ledger_clamped_settles",
            "Turns that used more than was set aside for them, and were charged no more than that.",
            registry=registry,
        )

    @contextmanager
    def transaction(self, writes: int) -> Iterator[None]:
        """Measure one that succeeds."""
        begin = time.perf_counter()
        yield
        self._size.observe(writes)
        self._seconds.observe(time.perf_counter() - begin)

    def count(self, operation: Operation, outcome: Result | ServiceError) -> None:
        """Count one write."""
        if isinstance(outcome, ServiceError):
            result = outcome.wire_reason
        else:
            result = "OK" if outcome.fresh else "REPLAYED"
            self._clamped.inc(outcome.clamped)
        self._operations.labels(type(operation).__name__, result).inc()


class LedgerWriter:
    """Writes in batches. `submit` works while `running` is entered."""

    def __init__(
        self,
        store: LedgerStore,
        metrics: WriterMetrics,
        *,
        batch_max: int = 256,
        batch_every_s: float = 0.008,
        waiting_max: int = 10_000,
    ) -> None:
        """Write to this store, at most `batch_max` at once, with at most `waiting_max` waiting."""
        self._store = store
        self._metrics = metrics
        self._batch_every_s = batch_every_s
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Operation, asyncio.Future[Result]]] = deque()
        self._arrived = asyncio.Event()
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until left, and then finish what waits."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._closing = True
            self._arrived.set()
            await task

    async def submit(self, operation: Operation) -> Result:
        """Write, and wait for the commit.

        Raises:
            ServiceError: The ledger's rules refuse it.
            UnavailableError: Too many writes wait, or the database is away; whether it was written is unknown, and
                repeating it is safe.
        """
        return await self.enqueue(operation)

    def enqueue(self, operation: Operation) -> "asyncio.Future[Result]":
        """As submit, for a caller that waits for several: writes are decided in the order in which they come.

        Raises:
            UnavailableError: Too many writes wait.
        """
        if self._closing or len(self._waiting) >= self._waiting_max:
            raise UnavailableError("The ledger is busy; try again shortly.", retry_after_s=1)
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, result))
        self._arrived.set()
        return result

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        next_at_s = clock()
        while self._waiting or not self._closing:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            early_s = next_at_s - clock()
            if early_s > 0 and len(self._waiting) < self._batch_max and not self._closing:
                await asyncio.sleep(early_s)
            next_at_s = clock() + self._batch_every_s
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]
            outcomes = await self._write([operation for operation, _ in taken])
            for (operation, result), outcome in zip(taken, outcomes, strict=True):
                self._answer(operation, result, outcome)

    async def _write(self, operations: Sequence[Operation]) -> Sequence[Result | ServiceError]:
        try:
            with self._metrics.transaction(len(operations)):
                return await self._store.apply(operations, datetime.now(UTC))
        except StoreError as error:
            failure = error
        except Exception:
            # The writer must outlive anything, and one broken wallet must not stop the others.
            log.exception("ledger write failed unexpectedly", writes=len(operations))
            failure = StoreError("unexpected", alone=True)
        if failure.alone and len(operations) > 1:
            # One bad item must not fail its neighbours: each by itself.
            return [(await self._write([operation]))[0] for operation in operations]
        log.error("ledger write failed", error=str(failure), writes=len(operations))
        return [_unavailable() for _ in operations]

    def _answer(self, operation: Operation, result: "asyncio.Future[Result]", outcome: Result | ServiceError) -> None:
        self._metrics.count(operation, outcome)
        if result.done():
            return
        if isinstance(outcome, ServiceError):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)


def _unavailable() -> UnavailableError:
    return UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1)
