"""What happens around every call that a gRPC server of ours answers.

`Observe` binds the trace id to the logs, counts, times and writes one log line a call. Inside it, the error that a
servicer raised becomes a google.rpc.Status; an unexpected exception is logged here and leaves as a bare INTERNAL.
"""

import asyncio
import logging
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


class MethodMetrics:
    """The metrics of one method: looked up once, for each look-up takes a lock and builds a tuple of texts."""

    def __init__(self, method: str, in_flight: Gauge, seconds: Histogram, handled: Counter) -> None:
        """Take those of all methods."""
        self.method = method
        self.in_flight = in_flight.labels(method)
        self.seconds = seconds.labels(method)
        self._handled = handled
        self._by_code: dict[str, Counter] = {}

    def handled(self, code: str) -> None:
        """Count a call that ended so."""
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._handled.labels(self.method, code)
        counter.inc()


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
        self._methods: dict[str, MethodMetrics] = {}

    def of(self, method: str) -> MethodMetrics:
        """Those of a method that is served."""
        if method not in self._methods:
            self._methods[method] = MethodMetrics(method, self.in_flight, self.seconds, self.handled)
        return self._methods[method]


class Observe(grpc.aio.ServerInterceptor):
    """Wraps calls; those that stream only requests we have none of."""

    def __init__(self, metrics: RpcMetrics) -> None:
        """Report to these metrics."""
        self._metrics = metrics
        # Of the methods that are served; what callers make up has no handler.
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of this call's method, once."""
        method = str(handler_call_details.method)
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None or method.startswith(_QUIET):
                return handler
            self._wrapped[method] = self._wrap(self._metrics.of(method), handler)
        return self._wrapped[method]

    def _wrap(self, metrics: MethodMetrics, handler: "grpc.RpcMethodHandler[Any, Any]") -> Handler:
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(metrics, handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(metrics, handler.unary_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(metrics, handler.stream_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

    def _unary(self, metrics: MethodMetrics, behavior: Any) -> Any:
        async def call(request: Any, context: Context) -> Any:
            scope = _Scope(metrics, context)
            try:
                response = await behavior(request, context)
            except BaseException as error:
                await scope.fail(error)
                raise
            scope.end("OK")
            return response

        return call

    def _stream(self, metrics: MethodMetrics, behavior: Any) -> Any:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            scope = _Scope(metrics, context)
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

    def __init__(self, metrics: MethodMetrics) -> None:
        """It begins now."""
        self._metrics = metrics
        self._begin = time.perf_counter()
        metrics.in_flight.inc()

    def end(self, code: str, **fields: str) -> None:
        """Count, time and log."""
        duration_s = time.perf_counter() - self._begin
        self._metrics.in_flight.dec()
        self._metrics.handled(code)
        self._metrics.seconds.observe(duration_s)
        if log.is_enabled_for(logging.DEBUG):
            ended_ms = round(duration_s * 1000, 2)
            log.debug("call", method=self._metrics.method, code=code, duration_ms=ended_ms, **fields)


class _Scope:
    """One call and its context."""

    def __init__(self, metrics: MethodMetrics, context: Context) -> None:
        self._method = metrics.method
        self._context = context
        traceparent = next((str(v) for k, v in context.invocation_metadata() or () if k == TRACEPARENT), None)
        structlog.contextvars.bind_contextvars(trace_id=adopt_traceparent(traceparent))
        self._record = CallRecord(metrics)
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
