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
        self._pairs = {text[:2] for text in self._texts if len(text) > 1}
        self._firsts = {text[0] for text in self._texts if len(text) > 1}
        self._length_max = max(map(len, self._texts), default=0)

    def __bool__(self) -> bool:
        return self._matcher is not None

    def all_sought(self) -> Iterator[Sought]:
        """Everything that is looked for."""
        return (sought for each in self.sought for sought in each)

    def hits(self, view: str) -> Sequence[tuple[int, int, int]]:
        """(index in `sought`, start, end) wherever a pattern stands in a view."""
        return self._matcher.find_matches_as_indexes(view, overlapping=True) if self._matcher is not None else ()

    def live_tails(self, view: str, *, without_letters: bool = False) -> Iterator[tuple[int, Sequence[Sought]]]:
        """Where tails begin from which patterns could still grow, the longest first; with them, or some of them.

        `without_letters` says that the view has none, so that no pattern which has any will grow.
        """
        size = len(view)
        for start in range(max(0, size - self._length_max + 1), size):
            if start + 1 < size:
                if view[start : start + 2] not in self._pairs:
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
