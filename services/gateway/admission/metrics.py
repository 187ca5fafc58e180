"""Prometheus metrics of admission."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class AdmissionMetrics:
    """What an operator asks about who comes in and who waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.running = Gauge("queqiao_admission_turns_running", "Turns that run now.", registry=registry)
        self.depth = Gauge("queqiao_admission_queue_depth", "Turns that wait for a place now.", registry=registry)
        self.wait_seconds = Histogram(
            "queqiao_admission_wait_seconds",
            "Time that a turn which came to run had waited for its place.",
            registry=registry,
            buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
        )
        self.refused = Counter(
            "queqiao_admission_refused",
            "Turns refused: too many of one user (user), everything full (full), waited too long (deadline).",
            ["why"],
            registry=registry,
        )
        # What may be counted begins at 0, so that the first of its kind is a rise.
        for why in ("user", "full", "deadline"):
            self.refused.labels(why)
        self.rate_limited = Counter(
            "queqiao_admission_rate_limited",
            "Requests refused by a rate limit.",
            ["limit"],
            registry=registry,
        )
        self.unlimited = Counter(
            "queqiao_http_rate_unchecked",
            "Requests let through without a rate limit because Redis did not answer.",
            registry=registry,
        )
