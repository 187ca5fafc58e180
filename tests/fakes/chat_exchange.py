"""Exchange, for a fake of the chat service that has StreamTurn and ResumeTurn."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.runtime.errors import ServiceError
from services.runtime.status import to_status
from services.runtime.trace import adopt_traceparent


class ExchangeOfCalls(chat_pb2_grpc.ChatServiceServicer):
    """Plays each turn as a call of its own, an event a frame, and takes whatever it is told to be acknowledged."""

    acknowledged: list[int]

    @abstractmethod
    def StreamTurn(  # noqa: N802  # gRPC's spelling
        self, request: chat_pb2.StreamTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamTurnResponse]: ...

    @abstractmethod
    def ResumeTurn(  # noqa: N802  # as above
        self, request: chat_pb2.ResumeTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.ResumeTurnResponse]: ...

    async def Exchange(  # noqa: N802  # as above
        self, request_iterator: AsyncIterator[chat_pb2.ExchangeRequest], context: Any
    ) -> AsyncIterator[chat_pb2.ExchangeResponse]:
        frames: asyncio.Queue[chat_pb2.TurnFrame] = asyncio.Queue()
        turns: dict[int, asyncio.Task[None]] = {}

        async def read() -> None:
            async for request in request_iterator:
                for item in request.calls:
                    if item.HasField("acknowledged"):
                        self.acknowledged.append(item.acknowledged)
                    elif item.leave:
                        turns[item.call].cancel()
                    else:
                        turns[item.call] = asyncio.create_task(self._carry(item, frames))

        reading = asyncio.create_task(read())
        try:
            while True:
                yield chat_pb2.ExchangeResponse(frames=[await frames.get()])
        finally:
            for task in (reading, *turns.values()):
                task.cancel()

    async def _carry(self, item: chat_pb2.TurnCall, frames: "asyncio.Queue[chat_pb2.TurnFrame]") -> None:
        adopt_traceparent(item.traceparent)
        end = chat_pb2.TurnFrame(call=item.call, ended=True)
        try:
            async for event in self._events(item):
                frames.put_nowait(chat_pb2.TurnFrame(call=item.call, events=[event]))
        except ServiceError as error:
            end.error_status = to_status(error).SerializeToString()
        frames.put_nowait(end)

    async def _events(self, item: chat_pb2.TurnCall) -> AsyncIterator[chat_pb2.StreamTurnResponse]:
        if item.HasField("begin"):
            async for event in self.StreamTurn(item.begin, None):
                yield event
        else:
            async for response in self.ResumeTurn(item.resume, None):
                yield response.event
