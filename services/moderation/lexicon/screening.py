"""How much of an answer may be shown while it is being written. Pure.

The window is everything that was produced and not released. Nothing is remembered between windows: what is held back
comes again at the front of the next one, and the character before it comes as `preceding`.
"""

from dataclasses import dataclass

from services.moderation.lexicon.lexicon import Lexicon, Match


@dataclass(frozen=True, slots=True)
class Screened:
    """How many characters of a window may be released, and what was found in it, if anything."""

    released_characters: int
    match: Match | None


def screen(lexicon: Lexicon, window: str, *, preceding: str, last: bool) -> Screened:
    """Judge a window.

    A listed word refuses the answer from where the word begins. Without one, everything is released but the longest
    tail that could still become a word; when nothing follows, that too.

    However the answer is cut, it gets the whole text's verdict. So a word that was found waits while one that begins
    before it could still come to be; and what cannot be seen waits for what follows, for `preceding` must tell
    whether a word at the front of the next window stands alone.
    """
    views = lexicon.views(window, preceding=preceding)
    match = lexicon.first(views, last=last)
    live = len(window) if last else lexicon.live_from(views)
    if match is not None and match.start <= live:
        return Screened(match.start, match)
    return Screened(live if last else lexicon.seen_length(window[:live]), None)
