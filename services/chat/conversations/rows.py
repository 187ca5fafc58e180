"""Rows of PostgreSQL as conversations and messages, and what is said when it gives none."""

import asyncpg

from services.chat.conversations.domain import Conversation, Rating, StoredMessage
from services.chat.domain import AnswerState, Role
from services.runtime.errors import UnavailableError


def conversation(row: asyncpg.Record) -> Conversation:
    """A conversation."""
    return Conversation(
        row["id"],
        row["title"],
        row["message_count"],
        row["head"],
        row["created_at"],
        row["updated_at"],
        row["pinned"],
    )


def stored_message(row: asyncpg.Record) -> StoredMessage:
    """A message."""
    return StoredMessage(
        number=row["number"],
        parent=row["parent"],
        role=Role(row["role"]),
        content=row["content"],
        json=row["json"],
        state=AnswerState(row["state"]) if row["state"] else None,
        request_id=row["request_id"],
        model=row["model"],
        created_at=row["created_at"],
        rating=Rating(row["rating"]) if row["rating"] else None,
    )


def away() -> UnavailableError:
    """The database does not answer."""
    return UnavailableError("The memory does not answer; try again shortly.", retry_after_s=1)
