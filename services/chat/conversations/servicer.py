"""The RPCs of ChatService about conversations."""

from typing import Any

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.chat.conversations import convert
from services.chat.conversations.conversations import Conversations
from services.chat.conversations.ratings import Ratings

_CONVERSATIONS, _CONVERSATIONS_MAX = 20, 100
_MESSAGES, _MESSAGES_MAX = 50, 200


class ConversationRpcs(chat_pb2_grpc.ChatServiceServicer):
    """A part of ChatService."""

    def __init__(self, conversations: Conversations, ratings: Ratings) -> None:
        """Serve these."""
        self._conversations = conversations
        self._ratings = ratings

    async def CreateConversation(  # noqa: N802  # gRPC's spelling
        self, request: chat_pb2.CreateConversationRequest, context: Any
    ) -> chat_pb2.CreateConversationResponse:
        """Make an empty one."""
        made = await self._conversations.create(
            convert.owner(request),
            convert.conversation_id(request) if request.conversation_id else "",
            convert.title(request.title, required=False),
        )
        return chat_pb2.CreateConversationResponse(conversation=convert.conversation(made))

    async def ListConversations(  # noqa: N802  # as above
        self, request: chat_pb2.ListConversationsRequest, context: Any
    ) -> chat_pb2.ListConversationsResponse:
        """List a user's."""
        limit = convert.page_size(request.page_size, default=_CONVERSATIONS, most=_CONVERSATIONS_MAX)
        page = await self._conversations.page(convert.owner(request), convert.cursor(request.page_token), limit)
        return chat_pb2.ListConversationsResponse(
            conversations=[convert.conversation(item) for item in page.items],
            next_page_token=convert.page_token(page.items[-1]) if page.more else "",
        )

    async def SearchConversations(  # noqa: N802  # as above
        self, request: chat_pb2.SearchConversationsRequest, context: Any
    ) -> chat_pb2.SearchConversationsResponse:
        """Find a user's."""
        limit = convert.page_size(request.page_size, default=_CONVERSATIONS, most=_CONVERSATIONS_MAX)
        page = await self._conversations.search(
            convert.owner(request), convert.query(request.query), convert.cursor(request.page_token), limit
        )
        return chat_pb2.SearchConversationsResponse(
            matches=[convert.match(item) for item in page.items],
            next_page_token=convert.page_token(page.items[-1].conversation) if page.more else "",
        )

    async def GetConversation(  # noqa: N802  # as above
        self, request: chat_pb2.GetConversationRequest, context: Any
    ) -> chat_pb2.GetConversationResponse:
        """Read one."""
        found = await self._conversations.get(convert.owner(request), convert.conversation_id(request))
        return chat_pb2.GetConversationResponse(conversation=convert.conversation(found))

    async def UpdateConversation(  # noqa: N802  # as above
        self, request: chat_pb2.UpdateConversationRequest, context: Any
    ) -> chat_pb2.UpdateConversationResponse:
        """Rename one, or pin it."""
        title, pinned = convert.changes(request)
        changed = await self._conversations.change(
            convert.owner(request), convert.conversation_id(request), title=title, pinned=pinned
        )
        return chat_pb2.UpdateConversationResponse(conversation=convert.conversation(changed))

    async def DeleteConversation(  # noqa: N802  # as above
        self, request: chat_pb2.DeleteConversationRequest, context: Any
    ) -> chat_pb2.DeleteConversationResponse:
        """Delete one."""
        await self._conversations.delete(convert.owner(request), convert.conversation_id(request))
        return chat_pb2.DeleteConversationResponse()

    async def ListMessages(  # noqa: N802  # as above
        self, request: chat_pb2.ListMessagesRequest, context: Any
    ) -> chat_pb2.ListMessagesResponse:
        """List one's messages."""
        limit = convert.page_size(request.page_size, default=_MESSAGES, most=_MESSAGES_MAX)
        page = await self._conversations.messages(
            convert.owner(request), convert.conversation_id(request), convert.number(request.page_token), limit
        )
        return chat_pb2.ListMessagesResponse(
            messages=[convert.message(item) for item in page.items],
            next_page_token=str(page.items[-1].number) if page.more else "",
        )

    async def RateMessage(  # noqa: N802  # as above
        self, request: chat_pb2.RateMessageRequest, context: Any
    ) -> chat_pb2.RateMessageResponse:
        """Rate an answer."""
        number, rating = convert.rating(request)
        rated = await self._ratings.rate(convert.owner(request), convert.conversation_id(request), number, rating)
        return chat_pb2.RateMessageResponse(message=convert.message(rated))
