"""Views of a text in which spellings of one word look alike. Pure.

Folding is by character and knows no context, so a text that arrives in pieces folds as it would whole, and a word and a
text are folded by the same tables. A view drops everything that can stand between the characters of a word without
breaking it for a reader: spaces, punctuation, symbols, control and zero-width characters.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from itertools import compress
from operator import ne
from re import DOTALL, Pattern, escape
from re import compile as pattern

from opencc import OpenCC

from services.moderation.lexicon.readings import syllable_of
from services.moderation.lexicon.tables import Tables

_INVISIBLE = {"Cc", "Cf", "Mn", "Me", "Cn", "Co", "Cs"}

_LETTERS_AND_DIGITS = {"Lu", "Ll", "Lm", "Nd", "Nl"}

# Letters by their category, yet blank on every screen; the other two fold to these.
_HANGUL_FILLERS = "\u115f\u1160"

# Control characters that a reader sees as space.
_BLANKS = "\t\n\r\v\f"

_NUMERALS = dict(zip("〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖", "00123456789123456789", strict=True))
HAN_NUMERALS = frozenset(_NUMERALS)

# What people write for a letter.
_LEET = dict(zip("0134578@$!", "oieastbasi", strict=True))

_LETTER_SEARCH = pattern(r"[0-9A-Za-z\uff10-\uff5a]")
# A Chinese character, and before the next one a letter or digit: what may have been put into a word.
_INSERTED_SEARCH = pattern(r"[\u2e80-\U0003ffff][^\u2e80-\U0003ffff]{0,40}?[0-9A-Za-z\uff10-\uff5a]")

_REPEATED = pattern(r"(.)(?=\1)", DOTALL)
_LEET_SEARCH = pattern("[0134578@$!]")

# More than any text in earnest has different characters; texts of nonsense must not fill the memory.
_TABLE_CHARACTERS_MAX = 65_536

# Syllables take the place of characters in a part of Unicode that no text in earnest has.
_SYLLABLES_FROM = 0x100000


class _Kept(dict[str, bool]):
    """Whether a table keeps a character."""

    def __init__(self, table: "_Table") -> None:
        super().__init__()
        self._table = table

    def __missing__(self, character: str) -> bool:
        if len(self) >= _TABLE_CHARACTERS_MAX:
            self.clear()
        self[character] = self._table[ord(character)] is not None
        return self[character]


class _Table(dict[int, int | None]):
    """A table for str.translate that fills itself."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = _Kept(self)

    def __missing__(self, code: int) -> int | None:
        if len(self) >= _TABLE_CHARACTERS_MAX:
            self.clear()
        folded = self.fold(chr(code))
        self[code] = ord(folded) if folded else None
        return self[code]

    def fold(self, character: str) -> str:
        raise NotImplementedError


class _Base(_Table):
    """Width, case, compatibility forms, simplified characters, numerals and look-alikes."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._lookalikes = tables.lookalikes
        self._simplified = OpenCC("t2s").convert

    def fold(self, character: str) -> str:
        if character in _BLANKS:
            return ""
        folded = _compatible(self._lookalikes.get(character, character))
        # Of what it folds to: a circled letter or a radical is a symbol that reads as a letter.
        category = unicodedata.category(folded)
        if category in _INVISIBLE or folded in _HANGUL_FILLERS:
            return ""
        digit = unicodedata.digit(folded, None)
        if digit is not None:
            return str(digit)
        if category[0] in "ZPS":
            return ""
        folded = self._lookalikes.get(folded, folded)
        if folded >= "\u2e80":
            folded = self._simplified(folded)
        return _NUMERALS.get(folded, folded)


class _Over(_Table):
    """Another table, but for some characters."""

    def __init__(self, base: _Base, instead: Mapping[str, str]) -> None:
        super().__init__()
        self._base = base
        self._instead = instead

    def fold(self, character: str) -> str:
        return self._base.fold(self._instead.get(character, character))


class _Bare(_Table):
    """The base table without letters and digits, but for numerals that are Chinese or symbols: 一, ①."""

    def __init__(self, base: _Base) -> None:
        super().__init__()
        self._base = base

    def fold(self, character: str) -> str:
        folded = self._base.fold(character)
        is_letter = folded.isascii() and unicodedata.category(character) in _LETTERS_AND_DIGITS
        return "" if is_letter and character not in HAN_NUMERALS else folded


class _Syllables(_Table):
    """Chinese characters by how they are mostly read, without tones; of a view, so nothing is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[str, int] = {}

    def fold(self, character: str) -> str:
        syllable = syllable_of(character)
        if not syllable:
            return character
        return chr(_SYLLABLES_FROM + self._numbers.setdefault(syllable, len(self._numbers)))


class Folder:
    """Folds texts; one is enough for a process."""

    def __init__(self, tables: Tables) -> None:
        """Fold by these tables."""
        self._base = _Base(tables)
        self._pictured = _Over(self._base, tables.emoji)
        self._leet = _Over(self._base, _LEET)
        self._bare = _Bare(self._base)
        self._syllables = _Syllables()
        self._emoji = frozenset(tables.emoji)
        self._emoji_search = _ranges_of(tables.emoji)
        self._tables: Mapping[str, _Table] = {
            "base": self._base,
            "pictured": self._pictured,
            "leet": self._leet,
            "bare": self._bare,
        }

    def base(self, text: str) -> str:
        """The view that every text has."""
        return text.translate(self._base)

    def syllables(self, view: str) -> str:
        """A view by its syllables: of the same length."""
        return view.translate(self._syllables)

    def has_emoji(self, text: str) -> bool:
        """Whether the pictured view differs."""
        # Most texts have nothing like them, which is seen at a glance.
        return self._emoji_search.search(text) is not None and not self._emoji.isdisjoint(text)

    def pictured(self, text: str) -> str:
        """The base view, with emoji read as what they stand for."""
        return text.translate(self._pictured)

    def has_leet(self, text: str) -> bool:
        """Whether the leet view differs."""
        return _LEET_SEARCH.search(text) is not None

    def leet(self, text: str) -> str:
        """The base view, with digits and signs read as the letters that they stand for."""
        return text.translate(self._leet)

    def may_have_insertions(self, text: str) -> bool:
        """Whether a letter or digit stands after a Chinese character, near enough to be put between two."""
        # Most texts have no letter at all, which is seen at a glance.
        return _LETTER_SEARCH.search(text) is not None and _INSERTED_SEARCH.search(text) is not None

    def bare(self, text: str) -> str:
        """The base view without letters and digits."""
        return text.translate(self._bare)

    def folded(self, text: str, kind: str) -> str:
        """A view of the text; `kind` is base, pictured, leet or bare."""
        return text.translate(self._tables[kind])

    def offsets(self, text: str, kind: str) -> list[int]:
        """Where in the text each character of a view stands; `kind` is base, pictured, leet or bare."""
        return list(compress(range(len(text)), map(self._tables[kind].kept.__getitem__, text)))

    def is_dropped(self, character: str) -> bool:
        """Whether the base view drops the character."""
        return self._base[ord(character)] is None

    def is_invisible(self, character: str) -> bool:
        """Whether a reader sees nothing, not even a space."""
        return (
            character not in _BLANKS
            and self.is_dropped(character)
            and unicodedata.category(_compatible(character))[0] not in "ZPS"
        )


def has_runs(view: str) -> bool:
    """Whether a character stands beside itself."""
    return _REPEATED.search(view) is not None


def collapsed(view: str) -> str:
    """A view in which every run of one character is one character."""
    return _REPEATED.sub("", view)


def bounds(view: str) -> list[int]:
    """Where each run of a view begins, and where the last ends."""
    begins = compress(range(1, len(view)), map(ne, view, view[1:]))
    return [0, *begins, len(view)] if view else [0]


def _ranges_of(characters: Iterable[str]) -> Pattern[str]:
    """What finds these and what stands among them in Unicode, on the Chinese characters' plane and on the others."""
    planes = [[each for each in characters if (each > "\uffff") is further] for further in (False, True)]
    ranges = "".join(f"{escape(min(plane))}-{escape(max(plane))}" for plane in planes if plane)
    return pattern(f"[{ranges}]" if ranges else "(?!)")


def _compatible(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character).casefold()
    if len(folded) == 1:
        return folded
    # (一) and 1. in one character are what is in them.
    seen = [each for each in folded if each.isalnum()]
    return seen[0] if len(seen) == 1 else character
