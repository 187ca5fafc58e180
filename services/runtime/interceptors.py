"""What happens around every call that a gRPC server of ours answers.

`Observe` binds the trace id to the logs, counts, times and writes one log line a call. Inside it, the error that a
servicer raised becomes a google.rpc.Status; an unexpected exception is logged here and leaves as a bare INTERNAL.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import structlog
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.errors import ServiceError
from services.runtime.status import to_status
from services.runtime.trace import TRACEPARENT, adopt_traceparent

# In quotes: only the stubs know these classes as generic.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# Probes come every few seconds and say nothing about users.
_QUIET = ("/grpc.health.", "/grpc.reflection.")

# What callers hear of an error that nobody foresaw.
UNEXPECTED = "An unexpected error happened; it has been logged."

log = structlog.get_logger()


class RpcMetrics:
    """Prometheus metrics of a gRPC server, named as the go-grpc ecosystem names them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.handled = Counter(
            "grpc_server_handled", "Calls answered.", ["grpc_method", "grpc_code"], registry=registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from a call's arrival to its end.",
            ["grpc_method"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
        )
        self.in_flight = Gauge("grpc_server_in_flight", "Calls running now.", ["grpc_method"], registry=registry)


class Observe(grpc.aio.ServerInterceptor):
    """Wraps calls; those that stream only requests we have none of."""

    def __init__(self, metrics: RpcMetrics) -> None:
        """Report to these metrics."""
        self._metrics = metrics

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of this call."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or method.startswith(_QUIET):
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, handler.stream_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

    def _unary(self, method: str, behavior: Any) -> Any:
        async def call(request: Any, context: Context) -> Any:
            scope = _Scope(self._metrics, method, context)
            try:
                response = await behavior(request, context)
            except BaseException as error:
                await scope.fail(error)
                raise
            scope.end("OK")
            return response

        return call

    def _stream(self, method: str, behavior: Any) -> Any:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            scope = _Scope(self._metrics, method, context)
            try:
                async for response in behavior(request, context):
                    yield response
            except BaseException as error:
                await scope.fail(error)
                raise
            scope.end("OK")

        return call


class CallRecord:
    """One call in metrics and logs, from its arrival to its end."""

    def __init__(self, metrics: RpcMetrics, method: str) -> None:
        """It begins now."""
        self._metrics = metrics
        self._method = method
        self._begin = time.perf_counter()
        metrics.in_flight.labels(method).inc()

    def end(self, code: str, **fields: str) -> None:
        """Count, time and log."""
        duration_s = time.perf_counter() - self._begin
        self._metrics.in_flight.labels(self._method).dec()
        self._metrics.handled.labels(self._method, code).inc()
        self._metrics.seconds.labels(self._method).observe(duration_s)
        log.debug("call", method=self._method, code=code, duration_ms=round(duration_s * 1000, 2), **fields)


class _Scope:
    """One call and its context."""

    def __init__(self, metrics: RpcMetrics, method: str, context: Context) -> None:
        self._method = method
        self._context = context
        traceparent = next((str(v) for k, v in context.invocation_metadata() or () if k == TRACEPARENT), None)
        structlog.contextvars.bind_contextvars(trace_id=adopt_traceparent(traceparent))
        self._record = CallRecord(metrics, method)
        self.end = self._record.end

    async def fail(self, error: BaseException) -> None:
        """Record the error; one of ours is sent in its wire form, which raises in turn."""
        if isinstance(error, ServiceError):
            self.end(error.wire_code.name, reason=error.wire_reason)
            await self._context.abort_with_status(rpc_status.to_status(to_status(error)))
        elif not isinstance(error, asyncio.CancelledError | GeneratorExit | grpc.aio.AbortError):
            log.error("unexpected error", method=self._method, exc_info=error)
            self.end("INTERNAL")
            await self._context.abort(grpc.StatusCode.INTERNAL, UNEXPECTED)
        else:
            self.end("CANCELLED" if not isinstance(error, Exception) else "ABORTED")
