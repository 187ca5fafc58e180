"""What an operator asks about the remote layers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.moderation.domain import Layer
from services.moderation.layers.policy import WhenDown


class LayerMetrics:
    """Metrics of all remote layers, by layer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._seconds = Histogram(
            "queqiao_moderation_layer_seconds",
            "Time that a remote layer took for a text, by what came of it: passed, refused, unable, down, cancelled.",
            ["layer", "outcome"],
            registry=registry,
            buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10),
        )
        self._down = Counter(
            "queqiao_moderation_layer_down",
            "Texts that a remote layer did not judge.",
            ["layer", "why"],
            registry=registry,
        )
        self._unjudged = Counter(
            "queqiao_moderation_layer_unjudged",
            "Texts that a remote layer was to judge and did not, by what became of them: open (it passed), closed (it "
            "was refused for now), next (the next layer was asked).",
            ["layer", "consequence"],
            registry=registry,
        )
        self._cache_hits = Counter(
            "queqiao_moderation_layer_cache_hits",
            "Texts whose verdict was known.",
            ["layer"],
            registry=registry,
        )
        self._breaker_open = Gauge(
            "queqiao_moderation_layer_breaker_open",
            "1 while a remote layer is not asked because it failed too often in a row, else 0.",
            ["layer"],
            registry=registry,
        )

    def judged(self, layer: Layer, outcome: str, seconds: float) -> None:
        """Count a text that was not known, and the time that it took."""
        self._seconds.labels(layer, outcome).observe(seconds)

    def down(self, layer: Layer, why: str) -> None:
        """Count a text that a layer did not judge."""
        self._down.labels(layer, why).inc()

    def unjudged(self, layer: Layer, consequence: WhenDown) -> None:
        """Count what became of a text that was not judged."""
        self._unjudged.labels(layer, consequence).inc()

    def cache_hit(self, layer: Layer) -> None:
        """Count a text whose verdict was known."""
        self._cache_hits.labels(layer).inc()

    def breaker(self, layer: Layer, *, is_open: bool) -> None:
        """Show the state of a layer's circuit, and begin to count for it, so that its first failure is a rise."""
        self._cache_hits.labels(layer)
        for consequence in WhenDown:
            self._unjudged.labels(layer, consequence)
        self._breaker_open.labels(layer).set(is_open)
