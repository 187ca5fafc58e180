"""How much of an answer may be shown while it is being written. Pure.

The window is everything that was produced and not released. Nothing is remembered between windows: what is held back
comes again at the front of the next one, and what was released before it comes as `preceding`.
"""

from dataclasses import dataclass, replace

from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import LIVE_CHARACTERS_MAX, sort
from services.moderation.lexicon.lexicon import Lexicon


@dataclass(frozen=True, slots=True)
class Screened:
    """How many characters of a window may be released, what refuses the rest, and what was found in what is released.

    Offsets are in the window.
    """

    released_characters: int
    refused: Match | None
    referred: tuple[Match, ...]
    logged: tuple[Match, ...]


def screen(lexicon: Lexicon, window: str, *, preceding: str, last: bool) -> Screened:
    """Judge a window.

    A listed word refuses the answer from where it begins. Without one, everything is released but the longest tail
    that could still become a word, as far as a word can reach; when nothing follows, that too.

    However the answer is cut, it gets the whole text's verdict. So a word that was found waits while one that begins
    before it could still come to be, and while a phrase could be completed in which it is innocent.
    """
    begin = len(preceding)
    seen = preceding + window
    # In nearly every window nothing is found.
    found = lexicon.glance(seen, begin, last=last) or lexicon.search(seen, begin, last=last)
    live = max(found.live - begin, len(window) - LIVE_CHARACTERS_MAX)
    if not found.matches:
        return Screened(live, None, (), ())
    judged = sort([replace(match, start=match.start - begin, end=match.end - begin) for match in found.matches])
    refused = judged.refused
    if refused is not None and refused.start > live:
        refused = None
    released = live if refused is None else refused.start
    return Screened(
        released,
        refused,
        tuple(match for match in judged.referred if match.start < released),
        tuple(match for match in judged.logged if match.start < released),
    )
