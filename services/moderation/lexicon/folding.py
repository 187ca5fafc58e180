"""Views of a text in which spellings of one word look alike. Pure.

Folding is by character and knows no context, so a text that arrives in pieces folds as it would whole. Width, case
and compatibility forms fold by NFKC and casefold where that is one character for one. Two views drop characters:

- the *compact* view drops everything that can stand between the characters of a Chinese word without breaking it for
  a reader: spaces, punctuation, symbols, control and zero-width characters;
- the *spaced* view drops only what cannot be seen, for languages whose words are set apart by spaces.
"""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Mn", "Me", "Cn", "Co", "Cs"}

# Letters by their category, yet blank on every screen; the other two fold to these.
_HANGUL_FILLERS = "\u115f\u1160"

# Control characters that a reader sees as space.
_BLANKS = "\t\n\r\v\f"

# More than any text in earnest has different characters; texts of nonsense must not fill the memory.
_TABLE_CHARACTERS_MAX = 65_536

# Long texts are skipped through in steps of this many characters before single ones are counted.
_STEP_CHARACTERS = 4096


class _Folding(dict[int, int | None]):
    """A table for str.translate that fills itself."""

    def __init__(self, *, keep_spacing: bool) -> None:
        super().__init__()
        self._keep_spacing = keep_spacing

    def __missing__(self, code: int) -> int | None:
        if len(self) >= _TABLE_CHARACTERS_MAX:
            self.clear()
        folded = self[code] = self._fold(chr(code))
        return folded

    def _fold(self, character: str) -> int | None:
        if character in _BLANKS:
            return ord(" ") if self._keep_spacing else None
        folded = unicodedata.normalize("NFKC", character).casefold()
        if len(folded) != 1:
            folded = character
        # Of what it folds to: a circled letter or a radical is a symbol that reads as a letter.
        category = unicodedata.category(folded)
        if category in _INVISIBLE or folded in _HANGUL_FILLERS:
            return None
        if category[0] in "ZPS" and not self._keep_spacing:
            return None
        return ord(folded)


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

    def is_invisible(self, character: str) -> bool:
        """Whether no view keeps the character."""
        return self._spaced[ord(character)] is None

    def compact_offset(self, text: str, index: int) -> int:
        """Where in the text the compact view's character `index` stands; the text's length past the end."""
        return _offset(self._compact, text, index)

    def spaced_offset(self, text: str, index: int) -> int:
        """Where in the text the spaced view's character `index` stands; the text's length past the end."""
        return _offset(self._spaced, text, index)


def _offset(table: _Folding, text: str, index: int) -> int:
    begin, to_pass = 0, index
    while begin + _STEP_CHARACTERS < len(text):
        kept = len(text[begin : begin + _STEP_CHARACTERS].translate(table))
        if kept > to_pass:
            break
        begin, to_pass = begin + _STEP_CHARACTERS, to_pass - kept
    for offset in range(begin, len(text)):
        if table[ord(text[offset])] is not None:
            if to_pass == 0:
                return offset
            to_pass -= 1
    return len(text)
