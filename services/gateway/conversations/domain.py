"""Conversations as clients see them. Pure."""

from dataclasses import dataclass

from services.gateway.chat.domain import Role


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its messages; `newest` is the number of the message that the next turn follows, 0 if none.

    Times are seconds since 1970 UTC.
    """

    id: str
    title: str
    message_count: int
    newest: int
    created_s: int
    updated_s: int
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """A part of the message in which something was found; `has_code` says that the message has blocks of code."""

    number: int
    snippet: str
    is_answer: bool
    has_code: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A conversation that was found: by a message, or without one by its title."""

    conversation: Conversation
    quote: Quote | None


@dataclass(frozen=True, slots=True)
class ConversationMessage:
    """A message; `parent` is the number of the one that it follows, 0 if none.

    `json` is the whole message when it is more than text; `state` is complete, length or interrupted, "" for what is no
    answer; `rating` is up or down, "" when its user has not said what they think of it.
    """

    number: int
    parent: int
    role: Role
    content: str
    json: str
    state: str
    request_id: str
    model: str
    created_s: int
    rating: str = ""
