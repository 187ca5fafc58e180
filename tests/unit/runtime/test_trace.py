"""Spans of requests that share a message: one each, in the trace that each names, and none when tracing is off."""

import asyncio

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from services.runtime.errors import Code, RemoteError, UnavailableError
from services.runtime.trace import ItemSpans, Telemetry, trace_id_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVICE = "queqiao.billing.v1.BillingService"


class Recorded:
    """Tracing that is on, and what it recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.telemetry = Telemetry(provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())


async def test_a_span_lasts_until_the_outcome_and_is_a_child_of_whom_the_traceparent_names() -> None:
    recorded = Recorded()
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ItemSpans(recorded.telemetry, SERVICE).record("Reserve", f"00-{TRACE}-{PARENT}-01", outcome)
    assert recorded.spans == []
    outcome.set_result("done")
    await asyncio.sleep(0)
    (span,) = recorded.spans
    assert (span.name, span.kind) == (f"{SERVICE}/Reserve", SpanKind.SERVER)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.attributes is not None
    assert span.attributes["rpc.grpc.status_code"] == 0
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (RemoteError(Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA", "top up"), 9, StatusCode.UNSET),
        (UnavailableError("away"), 14, StatusCode.ERROR),
        (ZeroDivisionError(), 13, StatusCode.ERROR),
    ],
)
async def test_a_span_says_how_it_ended_and_whose_fault_it_was(error: Exception, code: int, status: StatusCode) -> None:
    recorded = Recorded()
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ItemSpans(recorded.telemetry, SERVICE).record("Settle", f"00-{TRACE}-{PARENT}-01", outcome)
    outcome.set_exception(error)
    await asyncio.sleep(0)
    (span,) = recorded.spans
    assert span.attributes is not None
    assert (span.attributes["rpc.grpc.status_code"], span.status.status_code) == (code, status)


@pytest.mark.parametrize("traceparent", ["", f"00-{TRACE}-{PARENT}-00"])
async def test_what_belongs_to_no_trace_or_to_one_that_nobody_records_leaves_no_span(traceparent: str) -> None:
    recorded = Recorded()
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ItemSpans(recorded.telemetry, SERVICE).record("Reserve", traceparent, outcome)
    outcome.set_result("done")
    await asyncio.sleep(0)
    assert recorded.spans == []


def test_a_trace_id_is_read_from_a_traceparent_and_from_nothing_else() -> None:
    assert trace_id_of(f"00-{TRACE}-{PARENT}-01") == TRACE
    assert trace_id_of("") == trace_id_of("nonsense") == ""
