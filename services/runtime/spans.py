"""Recording spans with OpenTelemetry's SDK; imported by processes that export them alone."""

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.util.types import Attributes


def exporting(service: str, instance: str, endpoint: str) -> TracerProvider:
    """What records spans of this service and sends them to an OTLP/gRPC collector."""
    resource = Resource.create(
        {"service.name": service, "service.namespace": "queqiao", "service.instance.id": instance}
    )
    provider = TracerProvider(resource=resource, sampler=ParentBased(_OfRequests()))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return provider


class _OfRequests(Sampler):
    """Begins a trace with a request that comes in: what background tasks ask of stores and peers would be noise."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        """Keep spans of servers."""
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kind is trace.SpanKind.SERVER else Decision.DROP)

    def get_description(self) -> str:
        """What it is called."""
        return "OfRequests"
