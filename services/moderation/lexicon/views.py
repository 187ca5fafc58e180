"""The views of one text, and where their characters stand in it. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

from services.moderation.lexicon.folding import Folder, bounds, collapsed


class View:
    """A view of a text, with every run of one character as one: `text` is what patterns are looked for in.

    `evasion` is what this view sees through that the plainest does not: emoji, leet, homophones, inserted, or "".
    """

    def __init__(
        self, folder: Folder, original: str, kind: str, folded: str, evasion: str = "", text: str | None = None
    ) -> None:
        """The view of `original` folded in this manner: base, pictured, leet or bare; `text` when it is known."""
        self._folder = folder
        self._original = original
        self._kind = kind
        self._folded = folded
        self.text = text if text is not None else collapsed(folded)
        self.evasion = evasion

    def by_syllables(self, begin: int) -> "View":
        """The same by its syllables, from a character on: of the same length."""
        by_syllables = self.text[:begin] + self._folder.syllables(self.text[begin:])
        return View(self._folder, self._original, self._kind, self._folded, "homophones", by_syllables)

    @cached_property
    def _offsets(self) -> Sequence[int]:
        if len(self._folded) == len(self._original):
            return range(len(self._folded))
        return self._folder.offsets(self._original, self._kind)

    @cached_property
    def _bounds(self) -> list[int] | None:
        """Where each run begins among the characters that were not collapsed, and where the last ends."""
        return bounds(self._folded) if self.has_runs else None

    @property
    def has_runs(self) -> bool:
        """Whether a character is repeated anywhere."""
        return len(self.text) != len(self._folded)

    def index_from(self, place: int) -> int:
        """Which character is the first of whose run any stands at or behind a place in the original."""
        return len(self.text) - len(collapsed(self._folder.folded(self._original[place:], self._kind))) if place else 0

    def run_length(self, index: int) -> int:
        """How often the character is repeated."""
        return self._bounds[index + 1] - self._bounds[index] if self._bounds else 1

    def places(self, index: int) -> Sequence[int]:
        """Where the characters of a run stand in the original."""
        begin, end = (self._bounds[index], self._bounds[index + 1]) if self._bounds else (index, index + 1)
        return self._offsets[begin:end]

    def first(self, index: int) -> int:
        """Where the first of the character's run stands in the original."""
        return self._offsets[self._bounds[index] if self._bounds else index]

    def last(self, index: int) -> int:
        """Where the last of the character's run stands in the original."""
        return self._offsets[self._bounds[index + 1] - 1 if self._bounds else index]

    def manner(self, start: int, end: int) -> str:
        """How the word from start to end is written, as far as this view tells; "plain" for nothing unusual."""
        written = self._original[self.first(start) : self.last(end - 1) + 1]
        if self.evasion == "emoji" and self._folder.has_emoji(written):
            return "emoji"
        if self.evasion == "leet" and self._folder.has_leet(written):
            return "leet"
        if self.evasion in ("homophones", "inserted"):
            return self.evasion
        if self._bounds is not None and any(self.run_length(index) > 1 for index in range(start, end - 1)):
            return "repeats"
        return "spaced" if self.first(end - 1) - self.last(start) > end - 1 - start else "plain"

    def span(self, start: int, end: int, needed: Sequence[int]) -> tuple[int, int]:
        """Where a word stands in the original that takes the characters from start to end of the view.

        Of the runs at its ends it takes no more than it needs and there is: the last of the first, the first of the
        last. `needed` says how many of each, () that one of each will do.
        """
        if self._bounds is None:
            return self._offsets[start], self._offsets[end - 1] + 1
        first, last = (needed[0], needed[-1]) if needed else (1, 1)
        first, last = min(first, self.run_length(start)), min(last, self.run_length(end - 1))
        if end - start == 1:
            return self._offsets[self._bounds[start]], self._offsets[self._bounds[start] + first - 1] + 1
        return (
            self._offsets[self._bounds[start + 1] - first],
            self._offsets[self._bounds[end - 1] + last - 1] + 1,
        )

    def between(self, start: int, end: int) -> int:
        """How many characters that can be seen stand between two places in the original."""
        if len(self._folded) == len(self._original):
            return end - start
        return bisect_left(self._offsets, end) - bisect_left(self._offsets, start)

    def tail(self, start: int, needed: int) -> int:
        """Where a word would begin in the original that takes all that follows `start`, of that run only `needed`."""
        if self._bounds is None:
            return self._offsets[start]
        return self._offsets[self._bounds[start + 1] - min(needed, self.run_length(start))]


def views(folder: Folder, text: str) -> Iterator[View]:
    """The views in which every pattern is looked for, the plainest first."""
    base = folder.base(text)
    yield View(folder, text, "base", base)
    # Emoji are dropped from the plainest view, so there are none where nothing was dropped.
    if len(base) != len(text) and folder.has_emoji(text):
        yield View(folder, text, "pictured", folder.pictured(text), "emoji")
