"""The compiled word list: what a text contains, and what of its end could still become a word. Pure, but for the
matching itself, which is the library ahocorasick-rs: one pass over the text whatever the number of words.

A word with a Chinese character in it is looked for in the compact view, so nothing put between its characters hides
it. A word of letters and digits alone is looked for in the spaced view and only where it stands alone: "ass" is not
in "class".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick

from services.moderation.folding import Folder


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


class _Index:
    """Words of one kind, over one view."""

    def __init__(self, labels: dict[str, int]) -> None:
        self.words = list(labels)
        self.labels = list(labels.values())
        # With no words there is nothing to compile.
        self._automaton = AhoCorasick(self.words) if self.words else None
        self._prefixes = {word[:length] for word in self.words for length in range(1, len(word) + 1)}
        self._length_max = max(map(len, self.words), default=0)

    def matches(self, view: str) -> Iterable[tuple[int, int, int]]:
        """(word, start, end) of every occurrence."""
        return self._automaton.find_matches_as_indexes(view, overlapping=True) if self._automaton else ()

    def live_starts(self, view: str) -> Iterable[int]:
        """Where the view's suffixes begin that are the beginning of a word or a whole one, the longest first."""
        size = len(view)
        for start in range(max(0, size - self._length_max), size):
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
            if _is_spaced(self._folder.compact(word.text)):
                spaced.setdefault(self._folder.spaced(word.text), word.label)
            else:
                compact.setdefault(self._folder.compact(word.text), word.label)
        self._compact = _Index(compact)
        self._spaced = _Index(spaced)

    def __len__(self) -> int:
        """How many different words it has."""
        return len(self._compact.words) + len(self._spaced.words)

    def find(self, text: str, *, preceding: str = "", last: bool = True) -> Match | None:
        """The listed word that begins first.

        Args:
            text: Where to look.
            preceding: What stands before the text: no part of it, but a word is not alone after a letter.
            last: False when more text follows: then a word of letters at the very end is not yet one.
        """
        found = [*self._find_compact(text), *self._find_spaced(text, preceding, last)]
        return min(found, key=lambda match: match.start, default=None)

    def releasable(self, text: str, *, preceding: str = "") -> int:
        """How many characters no listed word can begin in, whatever follows; for a text that contains none."""
        return min(self._compact_release(text), self._spaced_release(text, preceding))

    def _find_compact(self, text: str) -> Iterable[Match]:
        folder = self._folder
        first = min(self._compact.matches(folder.compact(text)), key=lambda found: found[1], default=None)
        if first is not None:
            word, start, end = first
            yield Match(
                folder.compact_offset(text, start), folder.compact_offset(text, end - 1) + 1, self._compact.labels[word]
            )

    def _find_spaced(self, text: str, preceding: str, last: bool) -> Iterable[Match]:
        folder = self._folder
        view, before = folder.spaced(text), folder.spaced(preceding)
        for word, start, end in self._spaced.matches(view):
            alone_after = not _is_letter(view[end]) if end < len(view) else last
            if alone_after and _stands_apart(view, before, start):
                begin, over = folder.spaced_offset(text, start), folder.spaced_offset(text, end - 1) + 1
                yield Match(begin, over, self._spaced.labels[word])

    def _compact_release(self, text: str) -> int:
        view = self._folder.compact(text)
        for start in self._compact.live_starts(view):
            return self._folder.compact_offset(text, start)
        return len(text)

    def _spaced_release(self, text: str, preceding: str) -> int:
        folder = self._folder
        view, before = folder.spaced(text), folder.spaced(preceding)
        for start in self._spaced.live_starts(view):
            if _stands_apart(view, before, start):
                return folder.spaced_offset(text, start)
        return len(text)


def _is_spaced(compact: str) -> bool:
    return all(map(_is_letter, compact))


def _is_letter(character: str) -> bool:
    """A letter or digit of a script that sets words apart by spaces; Chinese characters are not."""
    return character.isalnum() and ord(character) < 0x2E80


def _stands_apart(view: str, before: str, start: int) -> bool:
    previous = view[start - 1] if start else before[-1:]
    return not previous or not _is_letter(previous)
