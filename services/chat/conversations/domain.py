"""What users see of their conversations. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from services.chat.domain import AnswerState, Role

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its messages; `newest` is the number of the one that the next turn follows, 0 if none.

    Pinned ones stand before all others.
    """

    id: str
    title: str
    message_count: int
    newest: int
    created_at: datetime
    updated_at: datetime
    pinned: bool = False


class Rating(StrEnum):
    """What a user thinks of an answer."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message; `parent` is the number of the one that it follows, `state` is None for what is no answer.

    `rating` is None unless its user has said what they think of it.
    """

    number: int
    parent: int
    role: Role
    content: str
    json: str
    state: AnswerState | None
    request_id: str
    model: str
    created_at: datetime
    rating: Rating | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last conversation of a page."""

    pinned: bool
    updated_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """A page of a list, and whether there is more of it."""

    items: tuple[ItemT, ...]
    more: bool
