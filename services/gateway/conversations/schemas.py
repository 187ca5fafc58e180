"""Conversations as the public API knows them."""

from typing import Any, Literal

import msgspec

from services.gateway.chat.domain import Role
from services.gateway.conversations.domain import Conversation, ConversationMessage, Match
from services.gateway.policy.view import View


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """A conversation to make; without an `id` it is given one."""

    id: str = ""
    title: str = ""


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What changes: the title, of 1 to 100 characters, or whether it is pinned; at least one of them."""

    title: str | None = None
    pinned: bool | None = None


class RatingBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is thought of an answer; null takes it back."""

    rating: Literal["up", "down"] | None = None


class MatchShape(msgspec.Struct):
    """The newest message in which something was found, and the words around it: 120 characters at most, on one line.

    `snippet` is null for an answer with code on a platform that hides code.
    """

    message_id: str
    snippet: str | None


class ConversationShape(msgspec.Struct):
    """A conversation; times in seconds since 1970 UTC. `newest_id` is its newest message, null while it is empty.

    `match` stands there when something was looked for; null when only the title has it.
    """

    id: str
    title: str
    message_count: int
    newest_id: str | None
    created_at: int
    updated_at: int
    pinned: bool
    match: MatchShape | msgspec.UnsetType | None = msgspec.UNSET
    object: Literal["conversation"] = "conversation"

    @classmethod
    def of(cls, conversation: Conversation) -> "ConversationShape":
        """A conversation of the chat service."""
        return cls(
            id=conversation.id,
            title=conversation.title,
            message_count=conversation.message_count,
            newest_id=str(conversation.newest) if conversation.newest else None,
            created_at=conversation.created_s,
            updated_at=conversation.updated_s,
            pinned=conversation.pinned,
        )

    @classmethod
    def found(cls, match: Match, view: View) -> "ConversationShape":
        """A conversation that was found, with what this client may see of where."""
        shape, quote = cls.of(match.conversation), match.quote
        shape.match = None
        if quote is not None:
            hidden = quote.is_answer and quote.has_code and view.hides_code
            shape.match = MatchShape(str(quote.number), None if hidden else quote.snippet)
        return shape


class MessageShape(msgspec.Struct):
    """A message of a conversation.

    `parent_id` is the message it follows, null at the beginning; several answers of one question have the same parent.
    `message` is the whole of it in OpenAI's words, where it is more than text. `rating` is what its user thinks of an
    answer (up, down), null when they have not said.
    """

    id: str
    parent_id: str | None
    role: str
    content: str
    state: str | None
    model: str | None
    request_id: str | None
    created_at: int
    rating: str | None
    message: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    object: Literal["conversation.message"] = "conversation.message"

    @classmethod
    def of(cls, message: ConversationMessage, view: View) -> "MessageShape":
        """A message of the chat service, as the client may see it."""
        is_answer = message.role is Role.ASSISTANT
        return cls(
            id=str(message.number),
            parent_id=str(message.parent) if message.parent else None,
            role=message.role.value,
            content=view.text(message.content) if is_answer else message.content,
            state=message.state or None,
            model=view.model(message.model) or None,
            request_id=message.request_id or None,
            created_at=message.created_s,
            rating=message.rating or None,
            message=_whole(message, view) if message.json else msgspec.UNSET,
        )


def _whole(message: ConversationMessage, view: View) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.json.decode(message.json)
    if message.role is Role.ASSISTANT and isinstance(whole.get("content"), str):
        whole["content"] = view.text(whole["content"])
    return whole
