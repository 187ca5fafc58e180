"""The chat service's protos: conversations."""

from queqiao.chat.v1 import chat_pb2

from services.gateway.chat.domain import Role
from services.gateway.conversations.domain import Conversation, ConversationMessage

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


def conversation(found: chat_pb2.Conversation) -> Conversation:
    """A conversation."""
    return Conversation(
        id=found.id,
        title=found.title,
        message_count=found.message_count,
        newest=found.newest_number,
        created_s=found.create_time.seconds,
        updated_s=found.update_time.seconds,
    )


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
    )
