"""Prometheus metrics of the gateway."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.gateway.edge import http_errors
from services.runtime.errors import ServiceError
from services.runtime.trace import exemplar


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
        self.streams_open = Gauge(
            "queqiao_streams_open",
            "Answers being streamed now, by transport: sse, ws.",
            ["transport"],
            registry=registry,
        )
        self.streams_ended = Counter(
            "queqiao_streams_ended",
            "Streamed answers by transport and how they ended: whole, refused (the client's fault, or moderation), "
            "failed (ours). Those of sse had begun with status 200; of ws all are counted, for no status tells.",
            ["transport", "outcome"],
            registry=registry,
        )
        for transport in ("sse", "ws"):
            self.streams_open.labels(transport)
            for outcome in ("whole", "refused", "failed"):
                self.streams_ended.labels(transport, outcome)

    def first_token(self, begin: float, trace: dict[str, str] | None = None) -> None:
        """Time the first text of an answer to a request that arrived at `begin`, by `time.perf_counter`, in a trace.

        Without one, it is the trace at hand.
        """
        self.first_token_seconds.observe(time.perf_counter() - begin, trace or exemplar())

    def stream_ended(self, transport: str, error: ServiceError | None = None) -> None:
        """Count a streamed answer that ended, with an error or whole."""
        outcome = "whole" if error is None else "failed" if http_errors.form(error).status >= 500 else "refused"
        self.streams_ended.labels(transport, outcome).inc()
