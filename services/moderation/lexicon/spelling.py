"""Ways of writing an entry that are patterns of their own. Pure.

What changes single characters is folding's business; here is what changes how many there are, or their order: split
characters (拆字), pinyin, initials, and the word backwards. Each is bounded: a list of 100,000 entries must stay small.
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product
from typing import NamedTuple

from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lexicon.folding import HAN_NUMERALS, Folder, bounds, collapsed, has_runs
from services.moderation.lexicon.readings import initials_of, syllable_of, syllables_of
from services.moderation.lexicon.tables import Tables

# Where the scripts begin that set no words apart.
_HAN = "\u2e80"

# Each character may be one or the other in words of at most so many: 2 × 2 × 2 × 2 patterns.
_MIXED_CHARACTERS_MAX = 4


class Pattern(NamedTuple):
    """What is looked for in a view. There are many of them, and tuples are cheap to make.

    Attributes:
        text: As the view has it.
        evasion: How this writes the word; "plain" for the word itself.
        letters: For each character, whether it is a letter or digit of a script that sets words apart by spaces.
        breaks: Where, between letters, another word may begin: indexes of first characters.
        runs: How often each character must be repeated at least; empty when once will do for all.
    """

    text: str
    evasion: str
    letters: tuple[bool, ...] | None
    breaks: frozenset[int] = frozenset()
    runs: tuple[int, ...] = ()

    @property
    def is_latin(self) -> bool:
        """Whether it is of letters alone."""
        return self.letters is not None and all(self.letters)

    @property
    def is_number(self) -> bool:
        """Whether it is of digits alone."""
        return self.text.isdecimal()

    @property
    def left_letter(self) -> bool:
        """Whether it begins with a letter."""
        return self.letters is not None and self.letters[0]

    @property
    def right_letter(self) -> bool:
        """Whether it ends with a letter."""
        return self.letters is not None and self.letters[-1]


def is_letter(folded: str) -> bool:
    """A letter or digit of a script that sets words apart by spaces; Chinese characters are not."""
    return folded < _HAN and folded.isalnum()


@cache
def shipped_speller() -> "Speller":
    """Of the tables that ship. It learns characters as it meets them, so one serves the whole process."""
    tables = Tables.read()
    return Speller(Folder(tables), tables)


def fold_key(entry: Entry) -> str:
    """What makes two entries one: how their words fold, and what must be near; "" when nothing of it can be seen."""
    speller = shipped_speller()
    return speller.key(entry, speller.plain(entry.word))


class Speller:
    """Spells entries."""

    def __init__(self, folder: Folder, tables: Tables) -> None:
        """Fold by this folder, split by these tables."""
        self.folder = folder
        self._splits = tables.splits

    def plain(self, word: str) -> Pattern:
        """The word itself; its text is empty when nothing of it can be seen."""
        key = self.folder.base(word)
        if len(key) == len(word) and key and min(key) >= _HAN:
            return self._squeezed("plain", key, None, frozenset())
        return self._squeezed("plain", key, *self._letters(word))

    def key(self, entry: Entry, plain: Pattern) -> str:
        """`fold_key`, of an entry whose plain pattern is known."""
        if not entry.near or not plain.text:
            return self._keyed(plain)
        return "\x00".join((self._keyed(plain), *sorted(self._keyed(self.plain(word)) for word in entry.near)))

    def patterns(self, entry: Entry, plain: Pattern) -> Iterator[Pattern]:
        """Everything that is looked for in the text as it is written; the word itself, `plain`, first."""
        yield plain
        if entry.tier is not Tier.LOG and not self._splits.keys().isdisjoint(plain.text):
            yield from self._split(self.folder.base(entry.word))
        if not entry.also:
            return
        key = self.folder.base(entry.word)
        if Evasion.REVERSED in entry.also:
            yield self._written("reversed", key[::-1])
        if Evasion.PINYIN in entry.also:
            yield from self._pinyin(key)
        if Evasion.INITIALS in entry.also:
            initials = initials_of(key)
            if initials != key:
                yield self._written("initials", initials)

    def homophones(self, entry: Entry, plain: Pattern) -> Pattern | None:
        """What is looked for among syllables, if the entry asks for it."""
        if Evasion.HOMOPHONES not in entry.also:
            return None
        text = self.folder.syllables(plain.text)
        return plain._replace(text=text, evasion="homophones") if text != plain.text else None

    @staticmethod
    def _keyed(plain: Pattern) -> str:
        """The whole word: 天天 and 天 are two."""
        if not plain.runs:
            return plain.text
        return "".join(character * length for character, length in zip(plain.text, plain.runs, strict=True))

    def _letters(self, word: str) -> tuple[tuple[bool, ...] | None, frozenset[int]]:
        """Which characters of a word's view are letters, and where its further words begin."""
        letters: list[bool] = []
        breaks: set[int] = set()
        gap = False
        for character in word:
            folded = self.folder.base(character)
            if not folded:
                gap = gap or not self.folder.is_invisible(character)
                continue
            if gap and letters:
                breaks.add(len(letters))
            letters.append(is_letter(folded) and character not in HAN_NUMERALS)
            gap = False
        return (tuple(letters) if any(letters) else None), frozenset(breaks)

    def _written(self, evasion: str, text: str, breaks: frozenset[int] = frozenset()) -> Pattern:
        letters, _ = self._letters(text)
        return self._squeezed(evasion, self.folder.base(text), letters, breaks)

    def _squeezed(self, evasion: str, key: str, letters: tuple[bool, ...] | None, breaks: frozenset[int]) -> Pattern:
        """A pattern for views in which every run is one character."""
        if not has_runs(key):
            return Pattern(key, evasion, letters, breaks)
        edges = bounds(key)
        lengths = tuple(end - begin for begin, end in pairwise(edges))
        firsts = edges[:-1]
        return Pattern(
            text=collapsed(key),
            evasion=evasion,
            letters=tuple(letters[first] for first in firsts) if letters else None,
            breaks=frozenset(index for index, first in enumerate(firsts) if first in breaks),
            runs=lengths,
        )

    def _split(self, key: str) -> Iterator[Pattern]:
        """One character split, and all that can be."""
        places = [index for index, character in enumerate(key) if character in self._splits]
        seen = {key}
        ways = [(place, way) for place in places for way in self._splits[key[place]]]
        spellings = [key[:place] + way + key[place + 1 :] for place, way in ways]
        if len(places) > 1:
            spellings.append("".join(self._splits.get(character, (character,))[0] for character in key))
        for spelling in spellings:
            if spelling not in seen:
                seen.add(spelling)
                yield self._written("split", spelling)

    def _pinyin(self, key: str) -> Iterator[Pattern]:
        """The whole word in letters, and words in which some characters are."""
        readings = [syllable_of(character) for character in key]
        # The word as a whole may be read otherwise than its characters one by one.
        together = syllables_of(key)
        choices = {tuple(readings), together if len(together) == len(key) else tuple(readings)}
        seen = {key}
        for choice in sorted(choices):
            mixed = len(key) <= _MIXED_CHARACTERS_MAX
            masks = product((True, False), repeat=len(key)) if mixed else [(True,) * len(key)]
            for mask in masks:
                parts = [read if use and read else own for own, read, use in zip(key, choice, mask, strict=True)]
                text = "".join(parts)
                if text in seen:
                    continue
                seen.add(text)
                starts = (sum(map(len, parts[:index])) for index in range(1, len(parts)))
                yield self._written("pinyin", text, frozenset(starts))
