"""What an operator asks about providers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class UpstreamMetrics:
    """Metrics of all providers, by name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._calls = Counter(
            "queqiao_upstream_calls",
            "Calls of a provider, by what came of them: completed, cancelled, outrun (another provider was faster), "
            "connection, timeout, server, broken, busy, key_refused, no_model, refused.",
            ["provider", "outcome"],
            registry=registry,
        )
        self._first_token_seconds = Histogram(
            "queqiao_upstream_first_token_seconds",
            "From a call of a provider to the first piece of its answer.",
            ["provider"],
            registry=registry,
            buckets=(0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60),
        )
        self._failovers = Counter(
            "queqiao_upstream_failovers",
            "Questions that went on to another key or provider because this provider failed.",
            ["provider"],
            registry=registry,
        )
        self._hedges = Counter(
            "queqiao_upstream_hedges",
            "Questions that a second provider was asked because this one was late.",
            ["provider"],
            registry=registry,
        )
        self._breaker_open = Gauge(
            "queqiao_upstream_breaker_open",
            "1 while a key of a provider (by its position), or the whole provider (all), is left alone, else 0.",
            ["provider", "key"],
            registry=registry,
        )

    def ended(self, provider: str, outcome: str) -> None:
        """Count a call."""
        self._calls.labels(provider, outcome).inc()

    def first_token(self, provider: str, seconds: float) -> None:
        """Time a first token."""
        self._first_token_seconds.labels(provider).observe(seconds)

    def failed_over(self, provider: str) -> None:
        """Count a question that goes on elsewhere."""
        self._failovers.labels(provider).inc()

    def hedged(self, provider: str) -> None:
        """Count a question that somebody else is asked, too."""
        self._hedges.labels(provider).inc()

    def breaker(self, provider: str, key: str, *, is_open: bool) -> None:
        """Show the state of a circuit, and begin to count for its provider, whose first failure is then a rise."""
        self._failovers.labels(provider)
        self._hedges.labels(provider)
        self._breaker_open.labels(provider, key).set(is_open)
