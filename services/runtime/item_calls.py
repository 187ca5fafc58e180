"""Calls that travel many to a message, observed as if each had come by itself."""

import contextvars
from functools import partial

import structlog

from services.runtime.errors import Code, ServiceError
from services.runtime.interceptors import CallRecord, RpcMetrics
from services.runtime.trace import ItemSpans, Telemetry, adopt_span, adopt_traceparent, end_span

log = structlog.get_logger()


class ItemCalls:
    """Counts, times, logs and traces such calls."""

    def __init__(self, metrics: RpcMetrics, telemetry: Telemetry, service: str) -> None:
        """Observe calls of this fully qualified service."""
        self._metrics = metrics
        self._spans = ItemSpans(telemetry, service)
        self._service = service

    def begin(self, method: str, traceparent: str) -> "ItemCall":
        """A call has come."""
        return ItemCall(self._metrics, self._spans, f"/{self._service}/{method}", traceparent)


class ItemCall:
    """One of them; whatever is done for it runs in its `context`, which is that of no other call."""

    def __init__(self, metrics: RpcMetrics, spans: ItemSpans, method: str, traceparent: str) -> None:
        """It begins now, in this trace."""
        self.context = contextvars.Context()
        self._method = method
        self._span = spans.begin(method.rpartition("/")[2], traceparent)
        self._record = CallRecord(metrics.of(method))
        self.context.run(self._enter, traceparent)

    def end(self, error: Exception | None = None) -> None:
        """It was answered, well or with this error; TimeoutError says that its deadline has passed."""
        if error is None:
            self._end("OK")
        elif isinstance(error, ServiceError):
            self._end(error.wire_code.name, reason=error.wire_reason)
        elif isinstance(error, TimeoutError):
            self._end(Code.DEADLINE_EXCEEDED.name)
        else:
            self.context.run(partial(log.error, "unexpected error", method=self._method, exc_info=error))
            self._end(Code.INTERNAL.name)
        if self._span is not None:
            end_span(self._span, error)

    def leave(self) -> None:
        """Its caller is gone."""
        self._end(Code.CANCELLED.name)
        if self._span is not None:
            end_span(self._span, None)

    def _end(self, code: str, **fields: str) -> None:
        self.context.run(partial(self._record.end, code, **fields))

    def _enter(self, traceparent: str) -> None:
        structlog.contextvars.bind_contextvars(trace_id=adopt_traceparent(traceparent))
        if self._span is not None:
            adopt_span(self._span)
