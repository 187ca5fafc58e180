"""The chat service's protos: conversations."""

from queqiao.chat.v1 import chat_pb2

from services.gateway.chat.domain import Role
from services.gateway.conversations.domain import Conversation, ConversationMessage, Match, Quote

_ROLES = {
    chat_pb2.ROLE_SYSTEM: Role.SYSTEM,
    chat_pb2.ROLE_ASSISTANT: Role.ASSISTANT,
    chat_pb2.ROLE_TOOL: Role.TOOL,
}

_STATES = {
    chat_pb2.ANSWER_STATE_COMPLETE: "complete",
    chat_pb2.ANSWER_STATE_LENGTH: "length",
    chat_pb2.ANSWER_STATE_INTERRUPTED: "interrupted",
}


_RATINGS = {"up": chat_pb2.RATING_UP, "down": chat_pb2.RATING_DOWN}
_RATED = {value: name for name, value in _RATINGS.items()}


def rating(asked: str | None) -> "chat_pb2.Rating.ValueType":
    """What is thought of an answer; None takes it back."""
    return chat_pb2.RATING_UNSPECIFIED if asked is None else _RATINGS[asked]


def conversation(found: chat_pb2.Conversation) -> Conversation:
    """A conversation."""
    return Conversation(
        id=found.id,
        title=found.title,
        message_count=found.message_count,
        newest=found.newest_number,
        created_s=found.create_time.seconds,
        updated_s=found.update_time.seconds,
        pinned=found.pinned,
    )


def match(found: chat_pb2.ConversationMatch) -> Match:
    """A conversation that was found."""
    said = found.quote if found.HasField("quote") else None
    quote = said and Quote(said.number, said.snippet, said.is_answer, said.has_code)
    return Match(conversation(found.conversation), quote)


def message(found: chat_pb2.StoredMessage) -> ConversationMessage:
    """A message."""
    return ConversationMessage(
        number=found.number,
        parent=found.parent_number,
        role=_ROLES.get(found.role, Role.USER),
        content=found.content,
        json=found.json,
        state=_STATES.get(found.state, ""),
        request_id=found.request_id,
        model=found.model,
        created_s=found.create_time.seconds,
        rating=_RATED.get(found.rating, ""),
    )
