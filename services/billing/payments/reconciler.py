"""Compares days with providers' bills, and keeps the reports."""

from dataclasses import asdict
from datetime import date

import structlog

from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.ports import PaymentProvider
from services.billing.payments.reconciliation import Report, compare, span_of
from services.billing.payments.store import PaymentStore

log = structlog.get_logger()


class Reconciler:
    """Compares a day and keeps the report."""

    def __init__(self, store: PaymentStore, metrics: PaymentMetrics) -> None:
        """Keep reports in this store."""
        self._store = store
        self._metrics = metrics

    async def run(self, provider: PaymentProvider, day: date) -> Report | None:
        """Compare a day with the provider's bill; None when the provider has no bills.

        Raises:
            PaymentUnavailableError: The bill cannot be had now.
            PaymentRefusedError: There is no bill of that day.
            UnavailableError: The database does not answer.
        """
        bill = await provider.bill(day)
        if bill is None:
            return None
        begin, end = span_of(day)
        payments = {row.out_trade_no for row in bill if not row.out_refund_no}
        returns = {row.out_refund_no for row in bill if row.out_refund_no}
        orders = await self._store.paid_between(begin, end, provider.channels, payments)
        refunds = await self._store.refunded_between(begin, end, provider.channels, returns)
        report = compare(bill, orders, refunds)
        await self._store.put_reconciliation(provider.name, day, asdict(report))
        self._metrics.differences.labels(provider.name).set(len(report.differences))
        self._metrics.reconciled.labels(provider.name).set(begin.timestamp())
        if report.differences:
            log.error("bill and books differ", provider=provider.name, day=str(day), count=len(report.differences))
        return report
