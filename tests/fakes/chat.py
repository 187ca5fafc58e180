"""The chat service, over real gRPC, playing a script."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.runtime.errors import ServiceError
from services.runtime.trace import current_traceparent

MODEL = "fake-model"


@dataclass
class FakeChat(chat_pb2_grpc.ChatServiceServicer):
    """Plays `script` in every turn: a text is a delta, a number a pause in seconds, an error is raised.

    `refusal` is raised before the turn is admitted, which takes `admission_s`. Every request, trace and
    cancellation is kept.
    """

    script: Sequence[str | float | ServiceError] = ("你好", "，世界")
    refusal: ServiceError | None = None
    completes: bool = True
    admission_s: float = 0
    finish_reason: "chat_pb2.FinishReason.ValueType" = chat_pb2.FINISH_REASON_STOP
    requests: list[chat_pb2.StreamTurnRequest] = field(default_factory=list)
    traceparents: list[str] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def reset(self) -> None:
        """Be as new."""
        vars(self).update(vars(FakeChat()))

    async def StreamTurn(  # noqa: N802  # gRPC's spelling
        self, request: chat_pb2.StreamTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamTurnResponse]:
        self.requests.append(request)
        self.traceparents.append(current_traceparent())
        try:
            await asyncio.sleep(self.admission_s)
            if self.refusal is not None:
                raise self.refusal
            started = chat_pb2.TurnStarted(conversation_id=request.conversation_id, model=request.model or MODEL)
            yield chat_pb2.StreamTurnResponse(started=started)
            for step in self.script:
                if isinstance(step, str):
                    yield chat_pb2.StreamTurnResponse(delta=chat_pb2.TurnDelta(text=step))
                elif isinstance(step, ServiceError):
                    raise step
                else:
                    await asyncio.sleep(step)
            if self.completes:
                yield chat_pb2.StreamTurnResponse(
                    completed=chat_pb2.TurnCompleted(
                        finish_reason=self.finish_reason,
                        usage=chat_pb2.Usage(input_tokens=7, cached_input_tokens=2, output_tokens=5),
                        charged_micros=12,
                    )
                )
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def ListModels(  # noqa: N802  # as above
        self, request: chat_pb2.ListModelsRequest, context: Any
    ) -> chat_pb2.ListModelsResponse:
        return chat_pb2.ListModelsResponse(
            models=[
                chat_pb2.Model(id=MODEL, created_s=1_700_000_000, owned_by="fake", context_tokens=1000),
                chat_pb2.Model(id="lab/fake-2", owned_by="fake", context_tokens=1000),
            ]
        )
