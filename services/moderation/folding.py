"""Views of a text in which spellings of one word look alike. Pure.

Folding is by character and knows no context, so a text that arrives in pieces folds as it would whole. Width, case
and compatibility forms fold by NFKC and casefold where that is one character for one. Two views drop characters:

- the *compact* view drops everything that can stand between the characters of a Chinese word without breaking it for
  a reader: spaces, punctuation, symbols, control and zero-width characters;
- the *spaced* view drops only what cannot be seen, for languages whose words are set apart by spaces.
"""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Mn", "Me", "Cn", "Co", "Cs"}

# Control characters that a reader sees as space.
_BLANKS = "\t\n\r\v\f"


class _Folding(dict[int, int | None]):
    """A table for str.translate that fills itself; bounded by the number of code points."""

    def __init__(self, *, keep_spacing: bool) -> None:
        super().__init__()
        self._keep_spacing = keep_spacing

    def __missing__(self, code: int) -> int | None:
        folded = self[code] = self._fold(chr(code))
        return folded

    def _fold(self, character: str) -> int | None:
        if character in _BLANKS:
            return ord(" ") if self._keep_spacing else None
        category = unicodedata.category(character)
        if category in _INVISIBLE:
            return None
        if category[0] in "ZPS" and not self._keep_spacing:
            return None
        folded = unicodedata.normalize("NFKC", character).casefold()
        return ord(folded) if len(folded) == 1 else ord(character)


class Folder:
    """Folds texts; one is enough for a process."""

    def __init__(self) -> None:
        """Begin with empty tables."""
        self._compact = _Folding(keep_spacing=False)
        self._spaced = _Folding(keep_spacing=True)

    def compact(self, text: str) -> str:
        """The compact view."""
        return text.translate(self._compact)

    def spaced(self, text: str) -> str:
        """The spaced view."""
        return text.translate(self._spaced)

    def compact_offset(self, text: str, index: int) -> int:
        """Where in the text the compact view's character `index` stands; the text's length past the end."""
        return _offset(self._compact, text, index)

    def spaced_offset(self, text: str, index: int) -> int:
        """Where in the text the spaced view's character `index` stands; the text's length past the end."""
        return _offset(self._spaced, text, index)


def _offset(table: _Folding, text: str, index: int) -> int:
    seen = -1
    for offset, character in enumerate(text):
        if table[ord(character)] is not None:
            seen += 1
            if seen == index:
                return offset
    return len(text)
