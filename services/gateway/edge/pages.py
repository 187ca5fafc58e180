"""Lists in pages. Pure."""

from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list: at most `limit` items, after the cursor that the page before ended with; "": the first."""

    limit: int
    after: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """A page of a list; an empty `next_cursor` says that it is the last."""

    items: tuple[ItemT, ...]
    next_cursor: str
