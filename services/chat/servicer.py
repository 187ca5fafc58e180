"""ChatService over gRPC: a translator between the wire and `turn.py`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.chat import convert
from services.chat.catalogue import Catalogue
from services.chat.metrics import TurnMetrics
from services.chat.turn import Turns


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Answers chat.proto."""

    def __init__(self, turns: Turns, catalogue: Catalogue, metrics: TurnMetrics) -> None:
        """Serve these turns and models."""
        self._turns = turns
        self._catalogue = catalogue
        self._metrics = metrics

    async def StreamTurn(  # noqa: N802  # gRPC's spelling
        self, request: chat_pb2.StreamTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamTurnResponse]:
        """Run a turn; a cancelled call closes it."""
        question = convert.question(request)
        async with aclosing(self._metrics.observe(self._turns.run(question))) as events:
            async for event in events:
                yield convert.event(event)

    async def ListModels(  # noqa: N802  # gRPC's spelling
        self, request: chat_pb2.ListModelsRequest, context: Any
    ) -> chat_pb2.ListModelsResponse:
        """List the models."""
        return chat_pb2.ListModelsResponse(models=[convert.model(model) for model in await self._catalogue.list()])
