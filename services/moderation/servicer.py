"""ModerationService over gRPC: a translator between the wire and the lexicon."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from services.moderation import convert
from services.moderation.lexicon.lexicon import Lexicon, Match
from services.moderation.lexicon.screening import screen
from services.runtime.endless import EndlessCalls

log = structlog.get_logger()


class ModerationMetrics:
    """What an operator asks about moderation."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.checks = Counter("queqiao_moderation_checks", "Texts judged.", ["direction"], registry=registry)
        self.refusals = Counter(
            "queqiao_moderation_refusals", "Texts refused.", ["direction", "layer", "label"], registry=registry
        )
        self.seconds = Histogram(
            "queqiao_moderation_layer_seconds",
            "Time that a layer took for the texts of one request.",
            ["direction", "layer"],
            registry=registry,
            # The word list takes microseconds; a remote layer, tens of milliseconds.
            buckets=(2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2),
        )


class ModerationServicer(moderation_pb2_grpc.ModerationServiceServicer):
    """Answers moderation.proto."""

    def __init__(self, lexicon: Lexicon, metrics: ModerationMetrics, calls: EndlessCalls) -> None:
        """Judge by this lexicon."""
        self._lexicon = lexicon
        self._metrics = metrics
        self._calls = calls

    async def CheckInput(  # noqa: N802  # gRPC's spelling
        self, request: moderation_pb2.CheckInputRequest, context: Any
    ) -> moderation_pb2.CheckInputResponse:
        """Judge what a user wrote."""
        convert.check_input(request)
        self._metrics.checks.labels("input").inc()
        with self._metrics.seconds.labels("input", "lexicon").time():
            match = self._lexicon.find(request.text)
        if match is not None:
            self._refused("input", request.request_id, request.text, match)
        return moderation_pb2.CheckInputResponse(verdict=convert.verdict(match))

    async def ScreenOutput(  # noqa: N802  # gRPC's spelling
        self, request_iterator: AsyncIterator[moderation_pb2.ScreenOutputRequest], context: Any
    ) -> AsyncIterator[moderation_pb2.ScreenOutputResponse]:
        """Judge windows of answers, request by request."""
        async for request in self._calls.requests(request_iterator):
            convert.check_windows(request)
            yield self._screen(request)

    def _screen(self, request: moderation_pb2.ScreenOutputRequest) -> moderation_pb2.ScreenOutputResponse:
        self._metrics.checks.labels("output").inc(len(request.windows))
        with self._metrics.seconds.labels("output", "lexicon").time():
            judged = [screen(self._lexicon, w.text, preceding=w.preceding, last=w.last) for w in request.windows]
        for window, screened in zip(request.windows, judged, strict=True):
            if screened.match is not None:
                self._refused("output", window.request_id, window.text, screened.match)
        return moderation_pb2.ScreenOutputResponse(results=map(convert.result, judged))

    def _refused(self, direction: str, request_id: str, text: str, match: Match) -> None:
        """Count and log a refusal; the text itself stays unknown, its hash tells whether two were the same."""
        self._metrics.refusals.labels(direction, "lexicon", str(match.label)).inc()
        log.info(
            "refused",
            direction=direction,
            request_id=request_id,
            layer="lexicon",
            label=match.label,
            start=match.start,
            end=match.end,
            text_sha256=hashlib.sha256(text.encode()).hexdigest()[:16],
        )
