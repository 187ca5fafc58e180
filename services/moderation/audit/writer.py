"""Writes what was found, beside the judging: nobody waits for the audit, and what it cannot keep is counted.

Findings wait in memory, at most `waiting_max` of them, and are written many at once. While the database is away they go
on waiting; what comes when the queue is full is dropped. A finding is written once, however often it takes.
"""

import asyncio
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.moderation.audit.ports import NoteStore, StoreAwayError
from services.moderation.audit.records import Note, notes
from services.moderation.domain import Finding
from services.runtime.trace import current_traceparent, trace_id_of

log = structlog.get_logger()

_LOG_EVERY_S = 60.0


class AuditMetrics:
    """What an operator asks about the audit."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.written = Counter("queqiao_moderation_audit_written", "Findings written to the audit.", registry=registry)
        self.dropped = Counter(
            "queqiao_moderation_audit_dropped",
            "Findings that are not in the audit: the queue was full, the database refused them, or the service "
            "stopped while the database was away.",
            ["why"],
            registry=registry,
        )
        self.waiting = Gauge("queqiao_moderation_audit_waiting", "Findings that wait to be written.", registry=registry)
        for why in ("full", "refused", "stopped"):
            self.dropped.labels(why)


class AuditWriter:
    """The port `Audit`; it writes while `keep_writing` runs."""

    def __init__(
        self,
        store: NoteStore,
        metrics: AuditMetrics,
        *,
        keep_texts: bool,
        waiting_max: int = 10_000,
        batch_max: int = 500,
        gather_s: float = 0.05,
        retry_s: float = 1.0,
        drain_s: float = 5.0,
    ) -> None:
        """Write to this store.

        Args:
            store: Where to.
            metrics: Where to count.
            keep_texts: Whether to hand excerpts of the texts on.
            waiting_max: How many findings may wait.
            batch_max: How many are written at once.
            gather_s: How long the first waits for others, in seconds.
            retry_s: How long to wait before the next attempt while the database is away, in seconds.
            drain_s: How long the end may take, in seconds.
        """
        self._store = store
        self._metrics = metrics
        self._keep_texts = keep_texts
        self._waiting_max = waiting_max
        self._batch_max = batch_max
        self._gather_s = gather_s
        self._retry_s = retry_s
        self._drain_s = drain_s
        self._waiting: deque[Note] = deque()
        # Ids of the first that wait: an attempt whose answer was lost is repeated under the same ids.
        self._ids: list[int] = []
        self._arrived = asyncio.Event()
        self._dropped: Tally[str] = Tally()
        self._next_log_at_s: dict[str, float] = {}

    def note(self, findings: Sequence[Finding]) -> None:
        """Write these down, soon, under the trace at hand; never waits and never fails."""
        room = self._waiting_max - len(self._waiting)
        if len(findings) > room:
            self._drop("full", len(findings) - room)
        trace_id = trace_id_of(current_traceparent())
        self._waiting += notes(findings[:room], datetime.now(UTC), trace_id, keep_texts=self._keep_texts)
        self._metrics.waiting.set(len(self._waiting))
        self._arrived.set()

    async def keep_writing(self) -> None:
        """Write again and again; run it as a task and cancel it: what still waits is then written, for `drain_s`."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                await asyncio.sleep(self._gather_s)
                await self._write_all()
        finally:
            await self._drain()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._drain_s):
                await self._write_all()
        except TimeoutError:
            self._drop("stopped", len(self._waiting))

    async def _write_all(self) -> None:
        while self._waiting:
            try:
                await self._write(self._batch_max)
            except StoreAwayError as error:
                self._complain("away", "audit not written, trying again", error=str(error), waiting=len(self._waiting))
                await asyncio.sleep(self._retry_s)

    async def _write(self, count: int) -> None:
        """Write the first that wait, together; when one of them cannot be written, each by itself.

        Raises:
            StoreAwayError: Nothing, or a part of them, is written; the others wait.
        """
        batch = list(islice(self._waiting, count))
        if len(self._ids) < len(batch):
            self._ids += await self._store.new_ids(len(batch) - len(self._ids))
        try:
            await self._store.add(self._ids[: len(batch)], batch)
        except StoreAwayError:
            raise
        except Exception as error:  # noqa: BLE001  # the writer must outlive anything; a stack trace might tell a text
            if len(batch) > 1:
                for _ in batch:
                    await self._write(1)
                return
            self._drop("refused", 1, error=type(error.__cause__ or error).__name__)
        else:
            self._metrics.written.inc(len(batch))
        self._forget(len(batch))

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()
        del self._ids[:count]
        self._metrics.waiting.set(len(self._waiting))

    def _drop(self, why: str, count: int, **facts: object) -> None:
        self._metrics.dropped.labels(why).inc(count)
        self._dropped[why] += count
        self._complain(why, "findings are missing from the audit", why=why, since_start=self._dropped[why], **facts)

    def _complain(self, kind: str, event: str, **facts: object) -> None:
        """Log, at most once a minute of each kind: a flood of findings must not become one of logs."""
        now_s = time.monotonic()
        if now_s >= self._next_log_at_s.get(kind, now_s):
            self._next_log_at_s[kind] = now_s + _LOG_EVERY_S
            log.error(event, **facts)
