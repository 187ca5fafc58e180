"""Finding conversations by what is in them. Pure.

Chinese has no blanks between words, so what is looked for is any part of a text. PostgreSQL's ILIKE does that without
an extension (pg_trgm is not everywhere), within bounds: see `sql.SEARCH`.
"""

import re
from dataclasses import dataclass

from services.chat.conversations.domain import Conversation

# What is shown of a message: so many characters before what was found, and so many together.
BEFORE, QUOTED = 20, 120

_SPECIAL = re.compile(r"([\\%_])")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Quote:
    """The newest message that has what is looked for, and the words around it.

    `has_code` says that there are blocks of code in the message, `is_answer` that the model wrote it.
    """

    number: int
    snippet: str
    is_answer: bool
    has_code: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation that was found: by a message, or without one by its title."""

    conversation: Conversation
    quote: Quote | None


def pattern(query: str) -> str:
    """What ILIKE matches texts with that have these words in them, as they are written."""
    return "%" + _SPECIAL.sub(r"\\\1", query) + "%"


def snippet(words: str, *, begins: bool, ends: bool) -> str:
    """A part of a text on one line, with dots where there is more of it."""
    line = _BLANKS.sub(" ", words).strip()
    return ("" if begins else "…") + line + ("" if ends else "…")
