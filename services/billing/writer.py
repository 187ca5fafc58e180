"""Group commit: every write of this process goes through one writer, and what waits shares a transaction.

Nothing is delayed: an idle writer takes a single write at once; while one transaction commits, the next batch gathers
by itself. A caller that stops waiting does not stop its write.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from services.billing.errors import LedgerBusyError
from services.billing.ledger import Operation, Result
from services.billing.ports import LedgerStore, StoreError
from services.runtime.errors import ServiceError, UnavailableError

log = structlog.get_logger()


class WriterMetrics:
    """What an operator asks about the ledger's writes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.batch = Histogram(
            "queqiao_ledger_batch_size",
            "Writes in one transaction.",
            registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        )
        self.seconds = Histogram(
            "queqiao_ledger_batch_seconds",
            "Time of one transaction.",
            registry=registry,
            buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2),
        )
        self.operations = Counter(
            "queqiao_ledger_operations", "Writes by kind and result.", ["kind", "result"], registry=registry
        )


class LedgerWriter:
    """Writes in batches. `submit` works while `running` is entered."""

    def __init__(self, store: LedgerStore, metrics: WriterMetrics, *, batch_max: int, waiting_max: int) -> None:
        """Write to this store, at most `batch_max` at once, with at most `waiting_max` waiting."""
        self._store = store
        self._metrics = metrics
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
            LedgerBusyError: Too many writes wait; nothing was written.
            UnavailableError: The database is away; whether it was written is unknown, and repeating it is safe.
        """
        if len(self._waiting) >= self._waiting_max:
            raise LedgerBusyError("The ledger is busy; try again shortly.", retry_after_s=1)
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, result))
        self._arrived.set()
        return await result

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]
            outcomes = await self._write([operation for operation, _ in taken])
            for (operation, result), outcome in zip(taken, outcomes, strict=True):
                self._answer(operation, result, outcome)

    async def _write(self, operations: Sequence[Operation]) -> Sequence[Result | ServiceError]:
        begin = time.perf_counter()
        try:
            outcomes = await self._store.apply(operations, datetime.now(UTC))
        except StoreError as error:
            if error.alone and len(operations) > 1:
                # One bad item must not fail its neighbours: each by itself.
                return [(await self._write([operation]))[0] for operation in operations]
            log.error("ledger write failed", error=str(error), writes=len(operations))
            return [_unavailable() for _ in operations]
        except Exception as error:  # the writer must outlive anything; the cause is logged whole
            log.error("ledger write failed unexpectedly", writes=len(operations), exc_info=error)
            return [_unavailable() for _ in operations]
        self._metrics.batch.observe(len(operations))
        self._metrics.seconds.observe(time.perf_counter() - begin)
        return outcomes

    def _answer(self, operation: Operation, result: "asyncio.Future[Result]", outcome: Result | ServiceError) -> None:
        kind = type(operation).__name__
        if isinstance(outcome, ServiceError):
            self._metrics.operations.labels(kind, outcome.wire_reason).inc()
            if not result.done():
                result.set_exception(outcome)
        else:
            self._metrics.operations.labels(kind, "OK" if outcome.fresh else "REPLAYED").inc()
            if not result.done():
                result.set_result(outcome)


def _unavailable() -> UnavailableError:
    return UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1)
