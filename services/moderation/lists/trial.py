"""What another lexicon would do to texts, before it does. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import judge
from services.moderation.lexicon.lexicon import Lexicon

CHANGES_MAX = 100
EXCERPT_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Change:
    """A text whose verdict changes, and the entry that refuses it, now or then."""

    excerpt: str = field(repr=False)
    refused: bool
    word: str


@dataclass(frozen=True, slots=True)
class Trial:
    """How many texts there were, how many of them are refused now and would be then; `changes` are at most 100."""

    texts: int = 0
    refused_before: int = 0
    refused_after: int = 0
    changes: tuple[Change, ...] = ()


def try_out(before: Lexicon, after: Lexicon, texts: Iterable[str]) -> Trial:
    """Judge each text by both, a text that comes twice only once."""
    different = list(dict.fromkeys(texts))
    refused_before = refused_after = 0
    changes: list[Change] = []
    for text in different:
        old, new = judge(before, text).refused, judge(after, text).refused
        refused_before += old is not None
        refused_after += new is not None
        match = new or old
        if match is not None and (old is None or new is None) and len(changes) < CHANGES_MAX:
            changes.append(Change(_excerpt(text, match), refused=new is not None, word=match.entry.word))
    return Trial(len(different), refused_before, refused_after, tuple(changes))


def _excerpt(text: str, match: Match) -> str:
    """The text around what was found, cut at both ends where it is too long."""
    middle = (match.start + min(match.end, match.start + EXCERPT_CHARACTERS_MAX)) // 2
    begin = min(max(0, middle - EXCERPT_CHARACTERS_MAX // 2), max(0, len(text) - EXCERPT_CHARACTERS_MAX))
    return text[begin : begin + EXCERPT_CHARACTERS_MAX]
