"""How much of an answer may be shown while it is being written. Pure.

The window is everything that was produced and not released. Nothing is remembered between windows: what is held back
comes again at the front of the next one, and the character before it comes as `preceding`.
"""

from dataclasses import dataclass

from services.moderation.lexicon import Lexicon, Match


@dataclass(frozen=True, slots=True)
class Screened:
    """How many characters of a window may be released, and what was found in it, if anything."""

    released_characters: int
    match: Match | None


def screen(lexicon: Lexicon, window: str, *, preceding: str, last: bool) -> Screened:
    """Judge a window.

    A listed word refuses the answer from where the word begins. Without one, everything is released but the longest
    tail that could still become a word; when nothing follows, that too.
    """
    match = lexicon.find(window, preceding=preceding, last=last)
    if match is not None:
        return Screened(match.start, match)
    released = len(window) if last else lexicon.releasable(window, preceding=preceding)
    return Screened(released, None)
