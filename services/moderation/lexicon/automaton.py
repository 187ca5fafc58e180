"""All patterns over one kind of view: where they occur, and what of a view's end could still become one.

The matching itself is the library ahocorasick-rs: one pass over the text whatever the number of patterns.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from services.moderation.lexicon.entries import Entry
from services.moderation.lexicon.spelling import Pattern

# (index in `sought`, start, end) of each.
Hits = Sequence[tuple[int, int, int]]

# Of more patterns that go on alike, one will be written in a way that the tail allows.
_LOOKED_AT_MAX = 16


class Role(IntEnum):
    """What an occurrence is for."""

    WORD = 0
    # The two sides of a combination: the entry's own word, and one of those that must be near.
    HEAD = 1
    PARTNER = 2
    ALLOWED = 3


class Sought(NamedTuple):
    """A pattern, the entry that it is for, and its role."""

    pattern: Pattern
    entry: Entry
    role: Role


class Automaton:
    """Compiled patterns."""

    def __init__(self, sought: Iterable[Sought]) -> None:
        """Compile; several may be looked for by the same pattern."""
        by_text: dict[str, tuple[Sought, ...]] = {}
        for each in sought:
            by_text[each.pattern.text] = (*by_text.get(each.pattern.text, ()), each)
        self._texts = sorted(by_text)
        self.sought: Sequence[tuple[Sought, ...]] = [by_text[text] for text in self._texts]
        # With no patterns there is nothing to compile.
        self._matcher = AhoCorasick(self._texts) if self._texts else None
        # How long the longest pattern is that begins with these two characters.
        self._pairs: dict[str, int] = {}
        self._length_max = self._han_length_max = 0
        for text, alike in zip(self._texts, self.sought, strict=True):
            size = len(text)
            self._length_max = max(self._length_max, size)
            if size > self._han_length_max and any(one.pattern.letters is None for one in alike):
                self._han_length_max = size
            if size > 1 and self._pairs.get(text[:2], 0) < size:
                self._pairs[text[:2]] = size
        self._firsts = {pair[0] for pair in self._pairs}

    def __bool__(self) -> bool:
        return self._matcher is not None

    def all_sought(self) -> Iterator[Sought]:
        """Everything that is looked for."""
        return (sought for each in self.sought for sought in each)

    def length_max(self, *, without_letters: bool = False) -> int:
        """Of how many characters the longest pattern is; `without_letters` as `live_tails` has it."""
        return self._han_length_max if without_letters else self._length_max

    def hits(self, view: str) -> Hits:
        """Wherever a pattern stands in a view."""
        return self._matcher.find_matches_as_indexes(view, overlapping=True) if self._matcher is not None else ()

    def live_tails(
        self, view: str, begin: int, *, without_letters: bool = False
    ) -> Iterator[tuple[int, Sequence[Sought]]]:
        """Where tails begin from which patterns could still grow, the longest first; with them, or some of them.

        Those that begin before `begin` are left out. `without_letters` says that the view has none, so that no pattern
        which has any will grow.
        """
        size = len(view)
        for start in range(max(begin, size - self._length_max + 1), size):
            if start + 1 < size:
                if self._pairs.get(view[start : start + 2], 0) <= size - start:
                    continue
            elif view[start] not in self._firsts:
                return
            growing = self._growing(view[start:], without_letters=without_letters)
            if growing:
                yield start, growing

    def _growing(self, tail: str, *, without_letters: bool) -> Sequence[Sought]:
        found: list[Sought] = []
        for index in range(bisect_right(self._texts, tail), len(self._texts)):
            if not self._texts[index].startswith(tail) or len(found) > _LOOKED_AT_MAX:
                break
            found += [each for each in self.sought[index] if not without_letters or each.pattern.letters is None]
        return found
