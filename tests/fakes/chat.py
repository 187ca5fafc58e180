"""The chat service, over real gRPC, playing a script and keeping conversations in a dictionary."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.chat.v1 import chat_pb2

from services.runtime.errors import Code, InvalidRequestError, RemoteError, ServiceError
from services.runtime.trace import current_traceparent
from tests.fakes.chat_exchange import ExchangeOfCalls

MODEL = "fake-model"


@dataclass
class FakeChat(ExchangeOfCalls):
    """Plays `script` in every turn: a text or a piece is a delta, a number a pause in seconds, an error is raised.

    `refusal` is raised before the turn is admitted, which takes `admission_s`. Every request, trace and
    cancellation is kept. `known` are the turns that can be resumed.
    """

    script: Sequence[str | float | ServiceError | chat_pb2.TurnDelta | chat_pb2.TurnStarted] = ("你好", "，世界")
    refusal: ServiceError | None = None
    completes: bool = True
    admission_s: float = 0
    finish_reason: "chat_pb2.FinishReason.ValueType" = chat_pb2.FINISH_REASON_STOP
    cached: bool = False
    replayed: bool = False
    remembered: bool = True
    known: set[tuple[str, str]] = field(default_factory=set)
    stopped: list[str] = field(default_factory=list)
    resumes: list[chat_pb2.ResumeTurnRequest] = field(default_factory=list)
    conversations: dict[tuple[str, str], chat_pb2.Conversation] = field(default_factory=dict)
    searches: list[chat_pb2.SearchConversationsRequest] = field(default_factory=list)
    quote: chat_pb2.MessageQuote | None = None
    rating: "chat_pb2.Rating.ValueType" = chat_pb2.RATING_UNSPECIFIED
    erased: list[str] = field(default_factory=list)
    erasing: ServiceError | None = None
    answer: str = ""
    requests: list[chat_pb2.StreamTurnRequest] = field(default_factory=list)
    traceparents: list[str] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
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
            self.known.add((request.user_id, request.request_id))
            async for event in self._play(request.conversation_id, request.model):
                yield event
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _play(self, conversation_id: str, model: str) -> AsyncIterator[chat_pb2.StreamTurnResponse]:
        position = 0
        yield chat_pb2.StreamTurnResponse(
            started=chat_pb2.TurnStarted(
                conversation_id=conversation_id,
                model=model or MODEL,
                cached=self.cached,
                replayed=self.replayed,
                created_s=1_700_000_000,
            )
        )
        for step in self.script:
            if isinstance(step, chat_pb2.TurnStarted):
                yield chat_pb2.StreamTurnResponse(started=step)
            elif isinstance(step, str | chat_pb2.TurnDelta):
                delta = chat_pb2.TurnDelta(text=step) if isinstance(step, str) else step
                position += len(delta.text + delta.reasoning + delta.tool_call.arguments) + bool(delta.tool_call.name)
                yield chat_pb2.StreamTurnResponse(delta=delta, position=position)
            elif isinstance(step, ServiceError):
                raise step
            else:
                await asyncio.sleep(step)
        if self.completes:
            numbered = bool(conversation_id) and self.remembered
            completed = chat_pb2.TurnCompleted(
                finish_reason=self.finish_reason,
                usage=chat_pb2.Usage(input_tokens=7, cached_input_tokens=2, output_tokens=5),
                charged_micros=12,
                question_number=numbered * 1,
                answer_number=numbered * 2,
            )
            yield chat_pb2.StreamTurnResponse(completed=completed, position=position)

    async def ResumeTurn(  # noqa: N802  # as above
        self, request: chat_pb2.ResumeTurnRequest, context: Any
    ) -> AsyncIterator[chat_pb2.ResumeTurnResponse]:
        self.resumes.append(request)
        if (request.user_id, request.request_id) not in self.known:
            raise RemoteError(Code.NOT_FOUND, "TURN_NOT_FOUND", "no such turn", fields={"request_id": "names no turn"})
        turn = next(each for each in self.requests if each.request_id == request.request_id)
        async for event in self._play(turn.conversation_id, turn.model):
            if not event.HasField("delta") or event.position > request.after:
                yield chat_pb2.ResumeTurnResponse(event=event)

    async def CancelTurn(  # noqa: N802  # as above
        self, request: chat_pb2.CancelTurnRequest, context: Any
    ) -> chat_pb2.CancelTurnResponse:
        if (request.user_id, request.request_id) not in self.known:
            raise RemoteError(Code.NOT_FOUND, "TURN_NOT_FOUND", "no such turn", fields={"request_id": "names no turn"})
        self.stopped.append(request.request_id)
        return chat_pb2.CancelTurnResponse(running=len(self.stopped) == 1)

    async def CreateConversation(  # noqa: N802  # as above
        self, request: chat_pb2.CreateConversationRequest, context: Any
    ) -> chat_pb2.CreateConversationResponse:
        name = request.conversation_id or f"made-{len(self.conversations)}"
        if (request.user_id, name) in self.conversations:
            raise RemoteError(Code.ALREADY_EXISTS, "REQUEST_CONFLICT", "taken", fields={"conversation_id": "is taken"})
        made = chat_pb2.Conversation(id=name, title=request.title, create_time=Timestamp(seconds=1_700_000_000))
        self.conversations[request.user_id, name] = made
        return chat_pb2.CreateConversationResponse(conversation=made)

    async def ListConversations(  # noqa: N802  # as above
        self, request: chat_pb2.ListConversationsRequest, context: Any
    ) -> chat_pb2.ListConversationsResponse:
        mine = [made for (owner, _), made in self.conversations.items() if owner == request.user_id]
        begin = _offset(request.page_token)
        end = begin + request.page_size
        return chat_pb2.ListConversationsResponse(
            conversations=mine[begin:end], next_page_token=str(end) if end < len(mine) else ""
        )

    async def SearchConversations(  # noqa: N802  # as above
        self, request: chat_pb2.SearchConversationsRequest, context: Any
    ) -> chat_pb2.SearchConversationsResponse:
        self.searches.append(request)
        mine = [made for (owner, _), made in self.conversations.items() if owner == request.user_id]
        return chat_pb2.SearchConversationsResponse(
            matches=[
                chat_pb2.ConversationMatch(conversation=made, quote=self.quote)
                for made in mine
                if self.quote is not None or request.query in made.title
            ]
        )

    async def GetConversation(  # noqa: N802  # as above
        self, request: chat_pb2.GetConversationRequest, context: Any
    ) -> chat_pb2.GetConversationResponse:
        return chat_pb2.GetConversationResponse(conversation=self._owned(request.user_id, request.conversation_id))

    async def UpdateConversation(  # noqa: N802  # as above
        self, request: chat_pb2.UpdateConversationRequest, context: Any
    ) -> chat_pb2.UpdateConversationResponse:
        found = self._owned(request.user_id, request.conversation_id)
        found.title = request.title or found.title
        if request.HasField("pinned"):
            found.pinned = request.pinned
        return chat_pb2.UpdateConversationResponse(conversation=found)

    async def DeleteConversation(  # noqa: N802  # as above
        self, request: chat_pb2.DeleteConversationRequest, context: Any
    ) -> chat_pb2.DeleteConversationResponse:
        del self.conversations[request.user_id, self._owned(request.user_id, request.conversation_id).id]
        return chat_pb2.DeleteConversationResponse()

    async def ListMessages(  # noqa: N802  # as above
        self, request: chat_pb2.ListMessagesRequest, context: Any
    ) -> chat_pb2.ListMessagesResponse:
        self._owned(request.user_id, request.conversation_id)
        return chat_pb2.ListMessagesResponse(messages=self._messages()[_offset(request.page_token) :])

    async def RateMessage(  # noqa: N802  # as above
        self, request: chat_pb2.RateMessageRequest, context: Any
    ) -> chat_pb2.RateMessageResponse:
        if (request.user_id, request.conversation_id) not in self.conversations or request.number != 2:
            raise RemoteError(Code.NOT_FOUND, "MESSAGE_NOT_FOUND", "no such answer")
        self.rating = request.rating
        return chat_pb2.RateMessageResponse(message=self._messages()[1])

    async def EraseUser(  # noqa: N802  # as above
        self, request: chat_pb2.EraseUserRequest, context: Any
    ) -> chat_pb2.EraseUserResponse:
        if self.erasing is not None:
            raise self.erasing
        self.erased.append(request.user_id)
        self.conversations = {key: made for key, made in self.conversations.items() if key[0] != request.user_id}
        return chat_pb2.EraseUserResponse()

    def _messages(self) -> list[chat_pb2.StoredMessage]:
        question = chat_pb2.StoredMessage(number=1, role=chat_pb2.ROLE_USER, content="问")
        answer = chat_pb2.StoredMessage(
            number=2,
            parent_number=1,
            role=chat_pb2.ROLE_ASSISTANT,
            json='{"role":"assistant","content":null}',
            content=self.answer,
            state=chat_pb2.ANSWER_STATE_LENGTH,
            request_id="req_1",
            model=MODEL,
            rating=self.rating,
        )
        return [question, answer]

    def _owned(self, user_id: str, conversation_id: str) -> chat_pb2.Conversation:
        found = self.conversations.get((user_id, conversation_id))
        if found is None:
            raise RemoteError(Code.NOT_FOUND, "CONVERSATION_NOT_FOUND", "no such conversation")
        return found

    async def ListModels(  # noqa: N802  # as above
        self, request: chat_pb2.ListModelsRequest, context: Any
    ) -> chat_pb2.ListModelsResponse:
        return chat_pb2.ListModelsResponse(
            models=[
                chat_pb2.Model(id=MODEL, created_s=1_700_000_000, owned_by="fake", context_tokens=1000),
                chat_pb2.Model(id="lab/fake-2", owned_by="fake", context_tokens=1000),
            ]
        )


def _offset(page_token: str) -> int:
    """Where a page begins.

    Raises:
        InvalidRequestError: This is no token of ours.
    """
    if page_token and not page_token.isdecimal():
        raise InvalidRequestError("page_token: not a token", fields={"page_token": "is no token"})
    return int(page_token or 0)
