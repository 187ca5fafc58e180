"""An OTLP collector over real gRPC that keeps the spans it is sent, and the bytes they came in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Span:
    """What a test asks of a span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on a free loopback port while its context is open."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.received: list[bytes] = []
        self.url = ""
        self._server = grpc.aio.server()

    async def __aenter__(self) -> "Collector":
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # publishes no types
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.stop(0)

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling
        self.spans.extend(_spans(request))
        self.received.append(request.SerializeToString())
        return trace_service_pb2.ExportTraceServiceResponse()

    def edges(self, trace_id: str) -> set[tuple[str, str]]:
        """(service of the parent, service of the child) for every edge of a trace that crosses services."""
        spans = {span.span_id: span for span in self.spans if span.trace_id == trace_id}
        pairs = {(spans[s.parent_id].service, s.service) for s in spans.values() if s.parent_id in spans}
        return {(parent, child) for parent, child in pairs if parent != child}

    def stores(self, trace_id: str) -> set[tuple[str, str]]:
        """(service, kind of store) for every store that a trace's spans ask."""
        spans = [span for span in self.spans if span.trace_id == trace_id and "db.system" in span.attributes]
        return {(span.service, span.attributes["db.system"]) for span in spans}


def _spans(request: Any) -> Iterator[Span]:
    for resource in request.resource_spans:
        named = {item.key: item.value.string_value for item in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=named["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes={item.key: _value(item.value) for item in span.attributes},
                )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
