"""Turns are counted by how they ended, their text is timed, and an example leads to its trace."""

import pytest
from opentelemetry import trace
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from services.chat.domain import Completed, Delta, Event, Failed, FinishReason, Piece, Usage
from services.chat.errors import ContentRefusedError
from services.chat.metrics import TurnMetrics
from services.runtime.errors import Code

TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736


def show(event: Event, position: int) -> None:
    """Nobody reads."""


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (Completed(FinishReason.STOP, Usage(1, 1), 5), "completed"),
        (Completed(FinishReason.CANCELLED, Usage(1, 1), 5), "cancelled"),
        (
            Failed(Code.PERMISSION_DENIED, ContentRefusedError.reason, "", {"layer": "lexicon", "action": "end"}),
            "refused",
        ),
        (Failed(Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA", ""), "rejected"),
        (Failed(Code.UNAVAILABLE, "UPSTREAM_ERROR", ""), "failed"),
    ],
)
def test_a_turn_is_counted_by_how_it_ended(event: Event, outcome: str) -> None:
    registry = CollectorRegistry()
    TurnMetrics(registry).watched(show)(event, 1)
    counted = {
        sample.labels["outcome"]: sample.value
        for family in registry.collect()
        if family.name == "queqiao_turns"
        for sample in family.samples
        if sample.name == "queqiao_turns_total"
    }
    assert counted == dict.fromkeys(counted, 0.0) | {outcome: 1.0}


def test_the_first_text_and_the_gaps_behind_it_are_timed() -> None:
    registry = CollectorRegistry()
    watch = TurnMetrics(registry).watched(show)
    for position, text in enumerate("鹊桥仙"):
        watch(Delta(Piece(text)), position)
    assert registry.get_sample_value("queqiao_first_token_seconds_count") == 1
    assert registry.get_sample_value("queqiao_token_gap_seconds_count") == 2


@pytest.mark.parametrize("sampled", [True, False])
def test_the_first_text_leads_to_its_trace_where_one_is_recorded(*, sampled: bool) -> None:
    registry = CollectorRegistry()
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else trace.TraceFlags.DEFAULT)
    context = trace.SpanContext(TRACE_ID, 1, is_remote=False, trace_flags=flags)
    with trace.use_span(trace.NonRecordingSpan(context)):
        watch = TurnMetrics(registry).watched(show)
    watch(Delta(Piece("好")), 1)
    written = generate_latest(registry).decode()  # type: ignore[no-untyped-call]  # publishes no types
    assert (f'# {{trace_id="{TRACE_ID:032x}"}}' in written) is sampled
