"""Which trace the work at hand belongs to, and OpenTelemetry when someone listens.

W3C Trace Context travels always: logs of all services can be joined by `trace_id` even when no spans are recorded.
Spans are recorded only when an exporter is configured; without one no tracing code is on the path of a request.
"""

import asyncio
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from opentelemetry import propagate, trace
from opentelemetry.context import attach

from services.runtime.errors import FAULTS, Code, ServiceError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

TRACEPARENT = "traceparent"

ResultT = TypeVar("ResultT")

# Later versions may have more behind the four fields.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL)

_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def new_traceparent() -> str:
    """Start a trace that nobody records: version 00, random ids, not sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def adopt_traceparent(value: str | None) -> str:
    """Continue the caller's trace, or start one, for the current task; answers the trace id (32 hex digits)."""
    traceparent = value if value and _is_traceparent(value) else new_traceparent()
    _traceparent.set(traceparent)
    return traceparent[3:35]


def current_traceparent() -> str:
    """The traceparent to hand on: that of the active span, else the adopted one; empty outside of any request."""
    return traceparent_of(trace.get_current_span()) or _traceparent.get()


def traceparent_of(span: trace.Span) -> str:
    """What makes a span the parent of what is done elsewhere; empty when it is none."""
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id_of(traceparent: str) -> str:
    """The trace id (32 hex digits) of a traceparent; empty when it is none."""
    return traceparent[3:35] if _is_traceparent(traceparent) else ""


def _is_traceparent(value: str) -> bool:
    return _TRACEPARENT.fullmatch(value) is not None


@dataclass(frozen=True)
class Telemetry:
    """Tracing of one process. `provider` is None when tracing is off."""

    provider: "TracerProvider | None"

    @classmethod
    def start(cls, service: str, instance: str, endpoint: str | None) -> "Telemetry":
        """Export spans to an OTLP/gRPC collector; with no endpoint, do nothing at all."""
        if endpoint is None:
            return cls(None)
        # Imported late: the SDK is a tenth of a second and ten megabytes that an untraced process need not pay.
        from services.runtime.spans import exporting

        return cls(exporting(service, instance, endpoint))

    @property
    def on(self) -> bool:
        """Whether spans are recorded."""
        return self.provider is not None

    def tracer(self, name: str) -> trace.Tracer:
        """A tracer; one that does nothing when tracing is off."""
        if self.provider is None:
            return trace.NoOpTracer()
        return self.provider.get_tracer(name)

    def stop(self) -> None:
        """Send what has been recorded."""
        if self.provider is not None:
            self.provider.shutdown()


def exemplar() -> dict[str, str] | None:
    """What ties a measurement to the trace at hand; None when that is not recorded."""
    span = trace.get_current_span().get_span_context()
    return {"trace_id": f"{span.trace_id:032x}"} if span.trace_flags.sampled else None


class ItemSpans:
    """Spans of requests that travel many to a message, each with a traceparent of its own.

    Named and attributed as OpenTelemetry's semantic conventions for RPC say, as if each were a call.
    """

    def __init__(self, telemetry: Telemetry, service: str) -> None:
        """Record requests of this fully qualified service, if tracing is on."""
        self._tracer = telemetry.tracer(service) if telemetry.on else None
        self._service = service

    def record(self, method: str, traceparent: str, outcome: "asyncio.Future[ResultT]") -> None:
        """Record from now until the outcome is there; without a traceparent the request belongs to no trace."""
        if (span := self.begin(method, traceparent)) is not None:
            outcome.add_done_callback(partial(_end_with, span))

    def begin(self, method: str, traceparent: str) -> trace.Span | None:
        """A span of a request that has come, for `end_span`; None where nobody records it."""
        if self._tracer is None or not traceparent:
            return None
        return self._tracer.start_span(
            f"{self._service}/{method}",
            context=propagate.extract({TRACEPARENT: traceparent}),
            kind=trace.SpanKind.SERVER,
            attributes=self._attributes(method),
        )

    def call(self, method: str) -> trace.Span | None:
        """A span of a request that is sent, for `end_span`, in the trace at hand; None where nobody records it."""
        if self._tracer is None:
            return None
        kind, attributes = trace.SpanKind.CLIENT, self._attributes(method)
        return self._tracer.start_span(f"{self._service}/{method}", kind=kind, attributes=attributes)

    def _attributes(self, method: str) -> dict[str, str]:
        return {"rpc.system": "grpc", "rpc.service": self._service, "rpc.method": method}


def adopt_span(span: trace.Span) -> None:
    """Let whatever the current context does belong to a span, for as long as the context is used."""
    attach(trace.set_span_in_context(span))


def _end_with(span: trace.Span, outcome: "asyncio.Future[ResultT]") -> None:
    end_span(span, None if outcome.cancelled() else outcome.exception())


def end_span(span: trace.Span, error: BaseException | None) -> None:
    """A request was answered, or failed with this error."""
    code = error.wire_code if isinstance(error, ServiceError) else Code.INTERNAL if error else 0
    span.set_attribute("rpc.grpc.status_code", int(code))
    if code in FAULTS:
        span.set_status(trace.StatusCode.ERROR, Code(code).name)
    span.end()


def outgoing_headers() -> dict[str, str]:
    """HTTP headers that carry the trace to whom we call."""
    if not trace.get_current_span().get_span_context().is_valid:
        traceparent = _traceparent.get()
        return {TRACEPARENT: traceparent} if traceparent else {}
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers
