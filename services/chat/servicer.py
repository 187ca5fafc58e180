"""ChatService over gRPC: a translator between the wire and the turns, conversations and models."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from queqiao.chat.v1 import chat_pb2

from services.chat.conversations.conversations import Conversations
from services.chat.conversations.convert import owner
from services.chat.conversations.ratings import Ratings
from services.chat.conversations.servicer import ConversationRpcs
from services.chat.convert import events, requests
from services.chat.erasure import Erasure
from services.chat.streams.registry import TurnRegistry
from services.chat.streams.servicer import Exchanges
from services.chat.upstreams.catalogue import Catalogue


class ChatServicer(ConversationRpcs):
    """Answers chat.proto."""

    def __init__(
        self,
        registry: TurnRegistry,
        catalogue: Catalogue,
        conversations: Conversations,
        ratings: Ratings,
        erasure: Erasure,
        exchanges: Exchanges,
    ) -> None:
        """Serve these turns, models, conversations and ratings, and erase users."""
        super().__init__(conversations, ratings)
        self._exchanges = exchanges
        self._erasure = erasure
        self._registry = registry
        self._catalogue = catalogue

    async def StreamTurn(  # noqa: N802  # gRPC's spelling
        self, request: chat_pb2.StreamTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamTurnResponse]:
        """Begin a turn or join it; what a cancelled call does, the request says."""
        question = requests.question(request)
        turn = self._registry.open(question, requests.fingerprint(request), stop_on_leave=request.cancel_on_disconnect)
        async with aclosing(turn):
            async for entry, replayed in turn:
                yield events.response(entry, replayed=replayed)

    async def ResumeTurn(  # noqa: N802  # as above
        self, request: chat_pb2.ResumeTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.ResumeTurnResponse]:
        """Go on with a turn's stream."""
        async with aclosing(self._registry.resume(requests.turn_key(request), request.after)) as entries:
            async for entry in entries:
                yield chat_pb2.ResumeTurnResponse(event=events.response(entry, replayed=True))

    async def Exchange(  # noqa: N802  # as above
        self, request_iterator: AsyncIterator[chat_pb2.ExchangeRequest], context: Any
    ) -> AsyncIterator[chat_pb2.ExchangeResponse]:
        """Both of these, of many turns at once."""
        async with aclosing(self._exchanges.serve(request_iterator)) as responses:
            async for response in responses:
                yield response

    async def CancelTurn(  # noqa: N802  # as above
        self, request: chat_pb2.CancelTurnRequest, context: Any
    ) -> chat_pb2.CancelTurnResponse:
        """Stop a turn."""
        return chat_pb2.CancelTurnResponse(running=await self._registry.stop(requests.turn_key(request)))

    async def ListModels(  # noqa: N802  # as above
        self, request: chat_pb2.ListModelsRequest, context: Any
    ) -> chat_pb2.ListModelsResponse:
        """List the models."""
        models = await self._catalogue.list()
        return chat_pb2.ListModelsResponse(
            models=[events.model(model) for model in models], unlisted=self._catalogue.unlisted()
        )

    async def EraseUser(  # noqa: N802  # as above
        self, request: chat_pb2.EraseUserRequest, context: Any
    ) -> chat_pb2.EraseUserResponse:
        """Erase what is kept of a user."""
        await self._erasure.erase(owner(request))
        return chat_pb2.EraseUserResponse()
