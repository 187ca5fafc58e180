"""Verifies the ledger now and then, and says how it is."""

import asyncio
import math
import time

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.billing.books.domain import Check, Verification
from services.billing.books.verifier import Verifier
from services.runtime.errors import UnavailableError

log = structlog.get_logger()


class LedgerWatch:
    """Runs the verifier; of several processes only one at a time does."""

    def __init__(self, verifier: Verifier, registry: CollectorRegistry, *, every_s: float) -> None:
        """Verify every `every_s` seconds."""
        self._verifier = verifier
        self._every_s = every_s
        self._ok = Gauge("queqiao_ledger_ok", "1 when the last verification found nothing, else 0.", registry=registry)
        # Whoever has not verified yet says neither; a 0 would be an alarm.
        self._ok.set(math.nan)
        self._findings = Gauge(
            "queqiao_ledger_findings", "Findings of the last verification.", ["check"], registry=registry
        )
        self._at = Gauge(
            "queqiao_ledger_verified_timestamp_seconds", "When the last verification ended.", registry=registry
        )
        self._transfers = Gauge("queqiao_ledger_transfers", "Entries that it read.", registry=registry)
        self._seconds = Gauge("queqiao_ledger_verify_seconds", "How long it took.", registry=registry)

    async def run(self) -> None:
        """Verify again and again; run it as a task and cancel it."""
        while True:
            try:
                await self.look()
            except UnavailableError:
                self._ok.set(math.nan)
                log.warning("ledger not verified")
            except Exception:
                # The watch must outlive anything.
                self._ok.set(math.nan)
                log.exception("ledger not verified")
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Verify once, unless another process does."""
        begin = time.perf_counter()
        found = await self._verifier.verify_unless_running()
        if found is not None:
            self._report(found, time.perf_counter() - begin)

    def _report(self, found: Verification, seconds: float) -> None:
        self._ok.set(found.ok)
        for check in Check:
            self._findings.labels(check.value).set(sum(finding.check is check for finding in found.findings))
        self._transfers.set(found.transfers)
        self._seconds.set(seconds)
        self._at.set_to_current_time()
        for finding in found.findings[:10]:
            log.error("ledger finding", check=finding.check.value, subject=finding.subject, problem=finding.message)
        log.info("ledger verified", ok=found.ok, transfers=found.transfers, seconds=round(seconds, 2))
