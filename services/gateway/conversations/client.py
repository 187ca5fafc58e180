"""Conversations, of the chat service."""

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.gateway.conversations import convert
from services.gateway.conversations.domain import Conversation, ConversationMessage, Match
from services.gateway.edge.pages import Page, PageRequest
from services.runtime.channels import Peer

_TIMEOUT_S = 5.0
# All that a user ever said may be much.
_ERASE_TIMEOUT_S = 20.0


class ConversationClient:
    """Asks the chat service about conversations. Everything raises ServiceError as chat.proto documents."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer."""
        self._peer = peer
        self._stub = chat_pb2_grpc.ChatServiceStub(peer.channel)

    async def create(self, user_id: str, conversation_id: str, title: str) -> Conversation:
        """Make one."""
        request = chat_pb2.CreateConversationRequest(user_id=user_id, conversation_id=conversation_id, title=title)
        response = await self._peer.unary(self._stub.CreateConversation, request, timeout_s=_TIMEOUT_S)
        return convert.conversation(response.conversation)

    async def page(self, user_id: str, page: PageRequest) -> Page[Conversation]:
        """A page of a user's, pinned ones first and then the one used last."""
        request = chat_pb2.ListConversationsRequest(user_id=user_id, page_size=page.limit, page_token=page.after)
        response = await self._peer.unary(self._stub.ListConversations, request, timeout_s=_TIMEOUT_S)
        return Page(tuple(map(convert.conversation, response.conversations)), response.next_page_token)

    async def search(self, user_id: str, query: str, page: PageRequest) -> Page[Match]:
        """A page of those that have this in their title or in what was said."""
        request = chat_pb2.SearchConversationsRequest(
            user_id=user_id, query=query, page_size=page.limit, page_token=page.after
        )
        response = await self._peer.unary(self._stub.SearchConversations, request, timeout_s=_TIMEOUT_S)
        return Page(tuple(map(convert.match, response.matches)), response.next_page_token)

    async def get(self, user_id: str, conversation_id: str) -> Conversation:
        """One."""
        request = chat_pb2.GetConversationRequest(user_id=user_id, conversation_id=conversation_id)
        response = await self._peer.unary(self._stub.GetConversation, request, timeout_s=_TIMEOUT_S)
        return convert.conversation(response.conversation)

    async def change(
        self, user_id: str, conversation_id: str, *, title: str | None, pinned: bool | None
    ) -> Conversation:
        """Give one another title, pin it or take the pin out; None leaves things as they are."""
        request = chat_pb2.UpdateConversationRequest(
            user_id=user_id, conversation_id=conversation_id, title=title or "", pinned=pinned
        )
        response = await self._peer.unary(self._stub.UpdateConversation, request, timeout_s=_TIMEOUT_S)
        return convert.conversation(response.conversation)

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """Delete one."""
        request = chat_pb2.DeleteConversationRequest(user_id=user_id, conversation_id=conversation_id)
        await self._peer.unary(self._stub.DeleteConversation, request, timeout_s=_TIMEOUT_S)

    async def messages(self, user_id: str, conversation_id: str, page: PageRequest) -> Page[ConversationMessage]:
        """A page of one's messages, the oldest first."""
        request = chat_pb2.ListMessagesRequest(
            user_id=user_id, conversation_id=conversation_id, page_size=page.limit, page_token=page.after
        )
        response = await self._peer.unary(self._stub.ListMessages, request, timeout_s=_TIMEOUT_S)
        return Page(tuple(map(convert.message, response.messages)), response.next_page_token)

    async def rate(self, user_id: str, conversation_id: str, number: int, rating: str | None) -> ConversationMessage:
        """Say what is thought of an answer: up, down, or None to take it back."""
        request = chat_pb2.RateMessageRequest(
            user_id=user_id, conversation_id=conversation_id, number=number, rating=convert.rating(rating)
        )
        response = await self._peer.unary(self._stub.RateMessage, request, timeout_s=_TIMEOUT_S)
        return convert.message(response.message)

    async def erase(self, user_id: str) -> None:
        """Erase all that is kept of a user."""
        request = chat_pb2.EraseUserRequest(user_id=user_id)
        await self._peer.unary(self._stub.EraseUser, request, timeout_s=_ERASE_TIMEOUT_S)
