"""What an operator asks about payments."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.billing.operations import RefundEnd
from services.billing.payments.domain import Channel


class PaymentMetrics:
    """Metrics of orders, callbacks and refunds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.orders = Counter("queqiao_orders", "Orders by channel and event.", ["channel", "event"], registry=registry)
        self.callbacks = Counter(
            "queqiao_payment_callbacks",
            "Callbacks by provider and result: accepted, replayed, later, or why it was refused.",
            ["provider", "result"],
            registry=registry,
        )
        self.incidents = Counter(
            "queqiao_payment_incidents",
            "What a provider said that does not fit our books: look at billing.payment_incidents.",
            ["provider", "problem"],
            registry=registry,
        )
        self.refunds = Counter("queqiao_refunds", "Refunds by event.", ["event"], registry=registry)
        # What may be counted begins at 0, so that the first of its kind is a rise.
        for channel in Channel:
            for event in ("announced", "paid", "closed"):
                self.orders.labels(channel.value, event)
        for event in ("held", *RefundEnd):
            self.refunds.labels(event)
        self.differences = Gauge(
            "queqiao_reconciliation_differences",
            "Differences between the last bill that was compared and our books.",
            ["provider"],
            registry=registry,
        )
        self.reconciled = Gauge(
            "queqiao_reconciliation_day_timestamp_seconds",
            "Begin of the last day that was compared.",
            ["provider"],
            registry=registry,
        )
