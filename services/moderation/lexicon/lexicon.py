"""The compiled word list: what a text contains, and what of its end could still become a word. Pure, but for the
matching itself, which is the library ahocorasick-rs: one pass over the text whatever the number of words.

A word with a Chinese character in it is looked for in the compact view, so nothing put between its characters hides
it. A word of letters and digits alone is looked for in the spaced view and only where it stands alone: "ass" is not
in "class".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from services.moderation.lexicon.folding import Folder


@dataclass(frozen=True, slots=True)
class Word:
    """An entry, and the WeChat label code of its category."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class Match:
    """The first listed word of a text: where it begins and ends in the original, and its label."""

    start: int
    end: int
    label: int


class Views(NamedTuple):
    """A text and how it folds; `before` is the spaced view of what stands before it."""

    text: str
    compact: str
    spaced: str
    before: str


class _Index:
    """Words of one kind, over one view."""

    def __init__(self, labels: dict[str, int]) -> None:
        self.words = list(labels)
        self.labels = list(labels.values())
        # With no words there is nothing to compile.
        self._automaton = AhoCorasick(self.words) if self.words else None
        self._prefixes = {word[:length] for word in self.words for length in range(1, len(word) + 1)}
        self._firsts = {word[0] for word in self.words}
        self._length_max = max(map(len, self.words), default=0)

    def matches(self, view: str) -> Iterable[tuple[int, int, int]]:
        """(word, start, end) of every occurrence."""
        return self._automaton.find_matches_as_indexes(view, overlapping=True) if self._automaton else ()

    def live_starts(self, view: str) -> Iterator[int]:
        """Where the view's suffixes begin that are the beginning of a word or a whole one, the longest first."""
        size = len(view)
        start_min = max(0, size - self._length_max)
        if self._firsts.isdisjoint(view[start_min:]):
            return
        for start in range(start_min, size):
            if view[start:] in self._prefixes:
                yield start


class Lexicon:
    """A compiled list."""

    def __init__(self, words: Iterable[Word]) -> None:
        """Compile; of equal words the first counts."""
        self._folder = Folder()
        compact: dict[str, int] = {}
        spaced: dict[str, int] = {}
        for word in words:
            stands_alone, key = fold_word(self._folder, word.text)
            (spaced if stands_alone else compact).setdefault(key, word.label)
        self._compact = _Index(compact)
        self._spaced = _Index(spaced)

    def __len__(self) -> int:
        """How many different words it has."""
        return len(self._compact.words) + len(self._spaced.words)

    def views(self, text: str, *, preceding: str = "") -> Views:
        """Fold a text, once for all questions about it.

        Args:
            text: Where to look.
            preceding: What stands before the text: no part of it, but a word is not alone after a letter.
        """
        folder = self._folder
        return Views(text, folder.compact(text), folder.spaced(text), folder.spaced(preceding))

    def find(self, text: str) -> Match | None:
        """The listed word that begins first in a whole text; of those that begin there, the shortest."""
        return self.first(self.views(text), last=True)

    def first(self, views: Views, *, last: bool) -> Match | None:
        """The listed word that begins first; of those that begin there, the shortest.

        With `last` False more text follows: then a word of letters at the very end is not yet one.
        """
        found = (self._first_compact(views), self._first_spaced(views, last=last))
        return min(filter(None, found), key=lambda match: (match.start, match.end), default=None)

    def live_from(self, views: Views) -> int:
        """Where the longest tail begins that is a word or could become one; the text's length when there is none."""
        return min(self._live_compact(views), self._live_spaced(views))

    def seen_length(self, text: str) -> int:
        """The length of the text without what cannot be seen at its end."""
        length = len(text)
        while length and self._folder.is_invisible(text[length - 1]):
            length -= 1
        return length

    def _first_compact(self, views: Views) -> Match | None:
        found = min(self._compact.matches(views.compact), key=_position, default=None)
        if found is None:
            return None
        word, start, end = found
        offset = self._folder.compact_offset
        return Match(offset(views.text, start), offset(views.text, end - 1) + 1, self._compact.labels[word])

    def _first_spaced(self, views: Views, *, last: bool) -> Match | None:
        view = views.spaced
        alone = (
            (word, start, end)
            for word, start, end in self._spaced.matches(view)
            if (not _is_letter(view[end]) if end < len(view) else last) and _stands_apart(views, start)
        )
        found = min(alone, key=_position, default=None)
        if found is None:
            return None
        word, start, end = found
        offset = self._folder.spaced_offset
        return Match(offset(views.text, start), offset(views.text, end - 1) + 1, self._spaced.labels[word])

    def _live_compact(self, views: Views) -> int:
        for start in self._compact.live_starts(views.compact):
            return self._folder.compact_offset(views.text, start)
        return len(views.text)

    def _live_spaced(self, views: Views) -> int:
        for start in self._spaced.live_starts(views.spaced):
            if _stands_apart(views, start):
                return self._folder.spaced_offset(views.text, start)
        return len(views.text)


def fold_word(folder: Folder, text: str) -> tuple[bool, str]:
    """Whether an entry is found only where it stands alone, and what it is looked for as: two that agree are one."""
    compact = folder.compact(text)
    if all(map(_is_letter, compact)):
        return True, folder.spaced(text)
    return False, compact


def _position(found: tuple[int, int, int]) -> tuple[int, int]:
    _, start, end = found
    return start, end


def _is_letter(character: str) -> bool:
    """A letter or digit of a script that sets words apart by spaces; Chinese characters are not."""
    return character.isalnum() and ord(character) < 0x2E80


def _stands_apart(views: Views, start: int) -> bool:
    previous = views.spaced[start - 1] if start else views.before[-1:]
    return not previous or not _is_letter(previous)
