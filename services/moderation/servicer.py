"""ModerationService over gRPC: a translator between the wire and `checks.py`."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import structlog
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from services.moderation import convert
from services.moderation.checks import Checks, InputCheck
from services.runtime.endless import EndlessCalls
from services.runtime.trace import ItemSpans, adopt_traceparent


class ModerationServicer(moderation_pb2_grpc.ModerationServiceServicer):
    """Answers moderation.proto."""

    def __init__(self, checks: Checks, calls: EndlessCalls, spans: ItemSpans) -> None:
        """Judge by these checks."""
        self._checks = checks
        self._calls = calls
        self._spans = spans

    async def CheckInput(  # noqa: N802  # gRPC's spelling
        self, request: moderation_pb2.CheckInputRequest, context: Any
    ) -> moderation_pb2.CheckInputResponse:
        """Judge what a user wrote by the lexicon."""
        return convert.input_check(await self._checks.check_input(convert.question(request)))

    async def CheckInputs(  # noqa: N802  # gRPC's spelling
        self, request_iterator: AsyncIterator[moderation_pb2.CheckInputsRequest], context: Any
    ) -> AsyncIterator[moderation_pb2.CheckInputsResponse]:
        """Judge what many users wrote by the lexicon, request by request."""
        async for request in self._calls.requests(request_iterator):
            checking = map(self._checking, convert.questions(request))
            outcomes = await asyncio.gather(*checking, return_exceptions=True)
            yield moderation_pb2.CheckInputsResponse(results=map(convert.inputs_result, outcomes))

    def _checking(self, question: moderation_pb2.CheckInputRequest) -> "asyncio.Task[InputCheck]":
        """Judge one, in a context of its own: it belongs to its turn's trace, not to that of the call."""
        task = asyncio.create_task(self._check(question), context=contextvars.Context())
        self._spans.record("CheckInput", question.traceparent, task)
        return task

    async def _check(self, question: moderation_pb2.CheckInputRequest) -> InputCheck:
        structlog.contextvars.bind_contextvars(trace_id=adopt_traceparent(question.traceparent))
        return await self._checks.check_input(convert.shared_question(question))

    async def ReviewInput(  # noqa: N802  # gRPC's spelling
        self, request: moderation_pb2.ReviewInputRequest, context: Any
    ) -> moderation_pb2.ReviewInputResponse:
        """Judge what a user wrote by the remote layers."""
        verdict = await self._checks.review(convert.question(request))
        return moderation_pb2.ReviewInputResponse(verdict=convert.verdict(verdict))

    async def ScreenOutput(  # noqa: N802  # gRPC's spelling
        self, request_iterator: AsyncIterator[moderation_pb2.ScreenOutputRequest], context: Any
    ) -> AsyncIterator[moderation_pb2.ScreenOutputResponse]:
        """Judge windows of answers, request by request."""
        async for request in self._calls.requests(request_iterator):
            # Nothing is reloaded between the two: neither waits.
            version, checks = self._checks.version, self._checks.screen(convert.windows(request))
            yield moderation_pb2.ScreenOutputResponse(results=map(convert.window_check, checks), version=version)

    async def ReviewOutput(  # noqa: N802  # gRPC's spelling
        self, request: moderation_pb2.ReviewOutputRequest, context: Any
    ) -> moderation_pb2.ReviewOutputResponse:
        """Judge a passage of an answer by the remote layers."""
        verdict = await self._checks.review(convert.passage(request), referred=request.referred)
        return moderation_pb2.ReviewOutputResponse(verdict=convert.verdict(verdict))

    async def Moderate(  # noqa: N802  # gRPC's spelling
        self, request: moderation_pb2.ModerateRequest, context: Any
    ) -> moderation_pb2.ModerateResponse:
        """Judge texts by every layer."""
        moderated = await asyncio.gather(*map(self._checks.moderate, convert.texts(request)))
        return moderation_pb2.ModerateResponse(results=map(convert.moderated, moderated))
