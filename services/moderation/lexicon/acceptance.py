"""Whether an occurrence of a pattern is the word, by how it is written in the original. Pure.

- Letters stand apart: "ass" is not in "class". Within a word of letters there is no gap, or one at every letter
  ("f.u.c.k"); where another word of the entry begins there may be one.
- Digits can stand for letters among letters: 455 is no word.
- Numbers stand apart from other digits. A short one counts only in the numerals in which it is listed: 六四 is not 64.
- Chinese characters on both sides of a sentence's punctuation ("先赌，博物馆后去"), and digits, are doubtful: such an
  occurrence is referred, not refused. One that is set apart at more places is disguised.
- Letters, digits or a markup tag between Chinese characters are doubtful where they stand at one place, and a disguise
  where they stand at every one.
- A run must be as long as the word's own. Letters that are only doubled are another word (god, good), but not by the
  letter with which the next word begins (bad dog); digits that are repeated are another number.
"""

import re
from enum import Enum

from services.moderation.lexicon.folding import HAN_NUMERALS, Folder
from services.moderation.lexicon.spelling import Pattern, is_letter
from services.moderation.lexicon.views import View

# How far a letter is looked for on the other side of what cannot be seen, and how long a run counts.
_LOOKS_MAX = 32

# Numbers of so many digits are recognised in any numerals.
_LONG_NUMBER = 4

# No word of letters has one so often in a row.
_DRAWN_OUT = 3

# A word of so many characters is not made by chance where a line ends.
_LONG_WORD = 4
_LINE_ENDS = ("\n", "\r\n")

# What is put between two characters: a letter or digit or two, or a markup tag, whatever stands around it.
_PUT = r"(?:<[^<>]{1,24}>|\[[^\[\]]{1,16}\]|&#?[0-9A-Za-z]{1,8};|[^\W_]{1,2})"
_INSERTION = re.compile(rf"[\W_]{{0,12}}{_PUT}(?:[\W_]{{1,12}}{_PUT})?[\W_]{{0,12}}")
_INSERTION_MAX = 48

_SENTENCE = frozenset("，。！？；：、…\n")


class Outcome(Enum):
    """Whether it is the word; later: what follows decides."""

    NO = 0
    YES = 1
    DOUBTFUL = 2
    LATER = 3


class Acceptance:
    """Looks at occurrences in one text."""

    def __init__(self, folder: Folder, text: str, *, last: bool) -> None:
        """Look at this text; `last` says that nothing follows it."""
        self._folder = folder
        self._text = text
        self._last = last

    def of(self, pattern: Pattern, view: View, start: int, end: int) -> Outcome:
        """Whether a pattern that stands in a view from start to end is its word."""
        if (pattern.runs or view.has_runs) and (outcome := self._runs(pattern, view, start, end)) is not Outcome.YES:
            return outcome
        if view.evasion == "inserted":
            return self._inserted(pattern, view, start, end)
        if pattern.is_number:
            return self._number(pattern, view, start, end)
        if pattern.letters is None:
            return self._doubtful(view, end) if self._is_two_sentences(view, start, end) else Outcome.YES
        if view.evasion == "leet" and not self._has_letter(view, start, end):
            return Outcome.NO
        if pattern.left_letter and not self._apart_before(view, start):
            return Outcome.NO
        if pattern.is_latin and not self._gaps_fit(pattern, view, start, end):
            return Outcome.NO
        return self._apart_after(view, end) if pattern.right_letter else Outcome.YES

    def may_begin(self, pattern: Pattern, view: View, start: int) -> bool:
        """Whether a tail that begins at `start` could grow into the pattern's word."""
        if view.evasion == "inserted":
            return pattern.letters is None and self._may_be_inserted(view, start)
        if pattern.is_number:
            return True
        if pattern.left_letter and not self._apart_before(view, start):
            return False
        return not pattern.is_latin or self._gaps_fit(pattern, view, start, len(view.text))

    def _gaps_fit(self, pattern: Pattern, view: View, start: int, end: int) -> bool:
        """Whether the letters from start to end, a beginning of the pattern, are set apart nowhere or everywhere."""
        inside: list[bool] = []
        between: list[bool] = []
        for index in range(start + 1, end):
            gap = self._is_gap(view.last(index - 1) + 1, view.first(index))
            (between if index - start in pattern.breaks else inside).append(gap)
        return not any(inside) or all(inside + between)

    def _runs(self, pattern: Pattern, view: View, start: int, end: int) -> Outcome:
        """Whether every character is repeated as the word allows; the last of a text may still be."""
        for index in range(start, end):
            needed = pattern.runs[index - start] if pattern.runs else 1
            length = view.run_length(index)
            fits = length >= needed
            if pattern.is_number:
                fits = length == needed
            elif pattern.letters is not None and pattern.letters[index - start]:
                length = self._letters(view, index, start, end)
                fits = length == needed or length >= max(needed, _DRAWN_OUT)
            if not fits:
                grows = index == end - 1 == len(view.text) - 1 and not self._last
                return Outcome.LATER if grows else Outcome.NO
        return Outcome.YES

    def _letters(self, view: View, index: int, start: int, end: int) -> int:
        """How many letters of a run are the word's: at its ends, those up to the first gap."""
        if start < index < end - 1:
            return view.run_length(index)
        begin = self._beginning(view, index) if index == start else view.first(index)
        until = self._ending(view, index) if index == end - 1 else view.last(index)
        return sum(begin <= place <= until for place in view.places(index))

    def _beginning(self, view: View, index: int) -> int:
        """Where in a run its last stretch without a gap begins."""
        places = view.places(index)
        at = places[-1]
        for place in reversed(places[:-1]):
            if self._is_gap(place + 1, at):
                break
            at = place
        return at

    def _ending(self, view: View, index: int) -> int:
        """Where in a run its first stretch without a gap ends."""
        places = view.places(index)
        at = places[0]
        for place in places[1:]:
            if self._is_gap(at + 1, place):
                break
            at = place
        return at

    def _is_two_sentences(self, view: View, start: int, end: int) -> bool:
        """Whether the word is set apart at one place alone, by what ends a sentence.

        A line break within a longer word is a disguise, and so is one at which the text around is set apart, too.
        """
        if view.first(end - 1) - view.last(start) == end - 1 - start:
            return False
        gaps = [index for index in range(start, end - 1) if view.first(index + 1) - view.last(index) > 1]
        if len(gaps) != 1 or not self._is_divided(view, gaps[0]):
            return False
        if (
            end - start >= _LONG_WORD
            and self._text[view.last(gaps[0]) + 1 : view.first(gaps[0] + 1)].strip(" ") in _LINE_ENDS
        ):
            return False
        return not self._is_set_apart_around(view, start, end)

    def _doubtful(self, view: View, end: int) -> Outcome:
        """Doubtful, unless the character that follows may yet show that it is a disguise."""
        return Outcome.LATER if end == len(view.text) and not self._last else Outcome.DOUBTFUL

    def _is_set_apart_around(self, view: View, start: int, end: int) -> bool:
        """Whether line breaks stand before and after the word as well."""
        gaps = self._gaps(view, max(start - 1, 0), start + 1) + self._gaps(view, end - 1, min(end + 1, len(view.text)))
        return bool(gaps) and all("\n" in gap for gap in gaps)

    def _inserted(self, pattern: Pattern, view: View, start: int, end: int) -> Outcome:
        """Whether what stands between the characters was put there: all of it, or at one place, which is doubtful."""
        if pattern.letters is not None or pattern.is_number:
            return Outcome.NO
        gaps = self._gaps(view, start, end)
        filled = [gap for gap in gaps if any(map(self._is_letter, gap))]
        if not filled or not all(_INSERTION.fullmatch(gap) for gap in filled):
            return Outcome.NO
        # A word of two characters has one place: the text around says whether it is a disguise.
        if len(gaps) == 1:
            if end == len(view.text) and not self._last:
                return Outcome.LATER
            gaps += self._gaps(view, max(start - 1, 0), start + 1) + self._gaps(
                view, end - 1, min(end + 1, len(view.text))
            )
        everywhere = len(gaps) > 1 and all(_INSERTION.fullmatch(gap) for gap in gaps)
        return Outcome.YES if everywhere else self._doubtful(view, end)

    def _may_be_inserted(self, view: View, start: int) -> bool:
        size = len(view.text)
        inside = all(
            not gap or not any(map(self._is_letter, gap)) or _INSERTION.fullmatch(gap)
            for gap in self._gaps(view, start, size)
        )
        return inside and len(self._text) - view.last(size - 1) <= _INSERTION_MAX

    def _gaps(self, view: View, start: int, end: int) -> list[str]:
        return [self._text[view.last(index) + 1 : view.first(index + 1)] for index in range(start, end - 1)]

    def _is_divided(self, view: View, start: int) -> bool:
        between = self._text[view.last(start) + 1 : view.first(start + 1)]
        return bool(between) and not _SENTENCE.isdisjoint(between)

    def _is_gap(self, start: int, end: int) -> bool:
        return any(not self._folder.is_invisible(character) for character in self._text[start:end])

    def _number(self, pattern: Pattern, view: View, start: int, end: int) -> Outcome:
        if len(pattern.text) < _LONG_NUMBER:
            han = pattern.letters is None
            for index in range(start, end):
                if (self._text[view.first(index)] in HAN_NUMERALS) != han:
                    return Outcome.NO
        # Digits side by side in a view are side by side for a reader, unless a sentence ends between them.
        if start and view.text[start - 1].isdecimal() and self._are_near(view.last(start - 1), view.first(start)):
            return Outcome.NO
        at = view.last(end - 1)
        if end < len(view.text):
            if view.text[end].isdecimal() and self._are_near(at, view.first(end)):
                return Outcome.NO
        elif not self._last and self._are_near(at, len(self._text)):
            return Outcome.LATER
        is_divided = any(self._is_divided(view, index) for index in range(start, end - 1))
        return Outcome.DOUBTFUL if is_divided else Outcome.YES

    def _are_near(self, left: int, right: int) -> bool:
        return right - left <= _LOOKS_MAX and _SENTENCE.isdisjoint(self._text[left + 1 : right])

    def _has_letter(self, view: View, start: int, end: int) -> bool:
        return any(character.isalpha() for character in self._text[view.first(start) : view.last(end - 1) + 1])

    def _apart_before(self, view: View, start: int) -> bool:
        at = self._beginning(view, start)
        if view.last(start) - at > _LOOKS_MAX:
            return True
        for offset in range(at - 1, max(at - 1 - _LOOKS_MAX, -1), -1):
            character = self._text[offset]
            if not self._folder.is_invisible(character):
                return not self._is_letter(character)
        return True

    def _apart_after(self, view: View, end: int) -> Outcome:
        at = self._ending(view, end - 1) + 1
        for offset in range(at, min(at + _LOOKS_MAX, len(self._text))):
            character = self._text[offset]
            if not self._folder.is_invisible(character):
                return Outcome.NO if self._is_letter(character) else Outcome.YES
        return Outcome.YES if self._last or len(self._text) >= at + _LOOKS_MAX else Outcome.LATER

    def _is_letter(self, character: str) -> bool:
        return character not in HAN_NUMERALS and is_letter(self._folder.base(character))
