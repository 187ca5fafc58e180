"""What a text as a whole deserves. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.moderation.lexicon.entries import Tier
from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.lexicon import Lexicon

# What stands before a part of a text or a stream, as far as it can matter: the two sides of a combination, the phrase
# in which the first would be innocent, and what cannot be seen before them.
CONTEXT_CHARACTERS = 256

# A word whose characters are spread over more than this is none that a reader sees; else a million blanks behind one
# letter would be read again with every part of a text, and would all wait in a stream.
LIVE_CHARACTERS_MAX = 1_024

_PART_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class Judged:
    """What refuses a text, if anything, and what before it is referred to the remote layers or only noted."""

    refused: Match | None
    referred: tuple[Match, ...]
    logged: tuple[Match, ...]


_INNOCENT = Judged(None, (), ())


def judge(lexicon: Lexicon, text: str) -> Judged:
    """Judge a whole text. A long one is read in parts, no further than to where it is refused."""
    if len(text) <= _PART_CHARACTERS:
        matches = lexicon.search(text, 0, last=True).matches
        return sort(matches) if matches else _INNOCENT
    found: list[Match] = []
    begin, end = 0, 0
    while end < len(text):
        end = min(end + _PART_CHARACTERS, len(text))
        first = max(0, begin - CONTEXT_CHARACTERS)
        part = lexicon.search(text[first:end], begin - first, last=end == len(text))
        begin = max(first + part.live, end - LIVE_CHARACTERS_MAX)
        moved = [replace(match, start=match.start + first, end=match.end + first) for match in part.matches]
        found += [
            match for match in moved if match.start < begin or (match.start == begin and match.tier is Tier.BLOCK)
        ]
        if any(match.tier is Tier.BLOCK for match in found):
            break
    return sort(found)


def sort(matches: Sequence[Match]) -> Judged:
    """Matches by what they do; what begins where or after a text is refused does nothing any more."""
    blocking = (match for match in matches if match.tier is Tier.BLOCK)
    refused = min(blocking, key=lambda match: (match.start, match.end), default=None)
    before = [match for match in matches if refused is None or match.start < refused.start]
    return Judged(
        refused,
        tuple(match for match in before if match.tier is Tier.REVIEW),
        tuple(match for match in before if match.tier is Tier.LOG),
    )
