"""Prometheus metrics of the gateway."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class GatewayMetrics:
    """What an operator asks about requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.requests = Counter(
            "queqiao_http_requests",
            "Requests answered; status 499 is a client that left first.",
            ["route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "queqiao_http_request_seconds",
            "Time from a request's arrival to the end of its answer.",
            ["route"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
        )
        self.first_token_seconds = Histogram(
            "queqiao_http_first_token_seconds",
            "Time from a streaming request's arrival to the first text of its answer.",
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 300),
        )
        self.cloud_run_ignored = Counter(
            "queqiao_cloud_run_headers_ignored",
            "Requests with WeChat Cloud Run's headers that were not believed.",
            registry=registry,
        )
        self.sockets_open = Gauge("queqiao_websockets_open", "WebSockets open now.", registry=registry)
        self.streams_live = Gauge("queqiao_http_streams_live", "Answers being streamed now.", registry=registry)
