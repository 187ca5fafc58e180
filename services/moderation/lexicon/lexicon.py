"""The compiled lists: every listed word that a text contains, however it is written. Pure.

Whatever hides a word is a fold of single characters, which makes views (`views.py`), or another spelling of the word,
which makes patterns (`spelling.py`). A text is searched by one pass of an automaton for each view that it has, most
texts having one; what is found is then looked at in the original (`acceptance.py`).

The same search serves whole texts and streams: `search` takes what stands before a text as context, and says from where
on what follows could still change its findings.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

from services.moderation.lexicon.acceptance import Acceptance, Outcome
from services.moderation.lexicon.automaton import Automaton, Hits, Role, Sought
from services.moderation.lexicon.entries import Entry, Tier
from services.moderation.lexicon.findings import Match, Occurrence, Spans, alone, combined, distinct
from services.moderation.lexicon.spelling import Pattern, shipped_speller
from services.moderation.lexicon.views import View, views

# What a view sees, and not a spelling.
_SEEN = ("plain", "homophones")

# What of the text before a window is looked at first: twice as far as letters are looked for, and a word before that.
_NEAR_CHARACTERS = 80

# Beyond the end of any text.
_NOWHERE = 2**62


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; from `live` on, what follows the text may change the findings."""

    matches: Sequence[Match]
    live: int


class _Pass(NamedTuple):
    """What is looked for in a view, and which of its characters is the first that was not seen earlier."""

    automaton: Automaton
    view: View
    first: int


class Lexicon:
    """Compiled entries; of equal ones the first counts."""

    def __init__(self, entries: Iterable[Entry], *, version: str = "") -> None:
        """Compile; `version` names the lists."""
        self.version = version
        self._speller = shipped_speller()
        self._folder = self._speller.folder
        unique: dict[str, tuple[Entry, Pattern]] = {}
        for entry in entries:
            plain = self._speller.plain(entry.word)
            if plain.text:
                unique.setdefault(self._speller.key(entry, plain), (entry, plain))
        self._size = len(unique)
        listed = [each for each in unique.values() if each[0].tier is not Tier.ALLOW]
        self._words = Automaton(self._sought(listed))
        self._syllables = Automaton(self._homophones(listed))
        # Digits can stand in for the letters of words that have nothing else.
        self._latin = Automaton(each for each in self._words.all_sought() if each.pattern.is_latin)
        self._allowed = Automaton(
            Sought(plain, entry, Role.ALLOWED) for entry, plain in unique.values() if entry.tier is Tier.ALLOW
        )

    def __len__(self) -> int:
        """How many different entries it has."""
        return self._size

    def find(self, text: str) -> list[Match]:
        """Everything that a whole text contains, in the order of the text."""
        return list(self.search(text, 0, last=True).matches)

    def without_allowed(self, text: str) -> str:
        """The text without the allowed phrases in it: what is innocent in it says nothing of the rest."""
        if not self._allowed:
            return text
        view = View(self._folder, text, "base", self._folder.base(text))
        return self._innocent(view, text, last=True)[0].cut_from(text)

    def search(self, text: str, begin: int, *, last: bool) -> Found:
        """What a text contains from `begin` on.

        Args:
            text: The text, and before it what was seen earlier.
            begin: Where what was not seen earlier begins: only what starts there, or is completed there, is found.
            last: Whether nothing follows.
        """
        acceptance = Acceptance(self._folder, text, last=last)
        live = len(text)
        occurrences: list[Occurrence] = []
        passes = [(each, each.automaton.hits(each.view.text)) for each in self._passes(text, begin)]
        paired = _paired(passes)
        for each, hits in passes:
            if hits:
                found, waits_from = self._accepted(each, hits, acceptance, begin, paired, last=last)
                occurrences += found
                live = min(live, waits_from)
            if not last:
                live = min(live, self._live(each, acceptance, begin))
        if not occurrences:
            return Found((), live)
        return self._decided(distinct(occurrences), passes[0][0].view, text, begin, live, last=last)

    def glance(self, text: str, begin: int, *, last: bool) -> Found | None:
        """As `search`, of the little that it takes to see that nothing is found; None where more is to be looked at.

        That is so where a pattern ends behind `begin`, or at the very end: what stands before it may then count from
        afar. Where none does, a combination has no later side, and no word waits for what follows.
        """
        skipped = max(0, begin - _NEAR_CHARACTERS)
        near, begin = text[skipped:], begin - skipped
        acceptance = Acceptance(self._folder, near, last=last)
        live = len(near)
        for each in self._passes(near, begin, glance_of=text):
            automaton, view, first = each
            # The first run may have been cut, and no pattern that ends in the window may reach it.
            if skipped and first <= automaton.length_max(without_letters=view.evasion == "inserted"):
                return None
            if any(end > first or end == len(view.text) for _, _, end in automaton.hits(view.text)):
                return None
            if not last:
                live = min(live, self._live(each, acceptance, begin))
        return Found((), skipped + live)

    def _decided(
        self, occurrences: list[Occurrence], base: View, text: str, begin: int, live: int, *, last: bool
    ) -> Found:
        """What of the occurrences counts, once allowed phrases and combinations are looked at."""
        waits_from = len(text)
        if self._allowed:
            allowed, waits_from = self._innocent(base, text, last=last)
            occurrences = [each for each in occurrences if not allowed.contain(each)]
        matches = []
        for first, match in [*alone(occurrences, begin), *combined(occurrences, begin, base.between)]:
            if first >= waits_from:
                live = min(live, match.start)
            else:
                matches.append(match)
        matches.sort(key=lambda match: (match.start, match.end))
        return Found(matches, live)

    def _sought(self, entries: Iterable[tuple[Entry, Pattern]]) -> Iterator[Sought]:
        for entry, plain in entries:
            role = Role.HEAD if entry.near else Role.WORD
            for pattern in self._speller.patterns(entry, plain):
                yield Sought(pattern, entry, role)
            for word in entry.near:
                if (partner := self._speller.plain(word)).text:
                    for pattern in self._speller.patterns(replace(entry, word=word, also=frozenset()), partner):
                        yield Sought(pattern, entry, Role.PARTNER)

    def _homophones(self, entries: Iterable[tuple[Entry, Pattern]]) -> Iterator[Sought]:
        for entry, plain in entries:
            if (pattern := self._speller.homophones(entry, plain)) is not None:
                yield Sought(pattern, entry, Role.HEAD if entry.near else Role.WORD)

    def _passes(self, text: str, begin: int, glance_of: str = "") -> Iterator[_Pass]:
        """What is looked for in which view, the plainest first.

        With `glance_of`, the text is the end of that, whose views it has, and nothing counts that ends before `begin`.
        """
        whole = glance_of or text
        plainest: _Pass | None = None
        for view in views(self._folder, text):
            each = _Pass(self._words, view, view.index_from(begin))
            plainest = plainest or each
            yield each
            if self._syllables:
                reach = max(0, each.first - self._syllables.length_max()) if glance_of else 0
                yield _Pass(self._syllables, view.by_syllables(reach), each.first)
        if self._latin and self._folder.has_leet(whole):
            if plainest and not self._folder.has_leet(text):
                yield plainest._replace(automaton=self._latin)
            else:
                view = View(self._folder, text, "leet", self._folder.leet(text), "leet")
                yield _Pass(self._latin, view, view.index_from(begin))
        if self._words and self._folder.may_have_insertions(whole):
            view = View(self._folder, text, "bare", self._folder.bare(text), "inserted")
            yield _Pass(self._words, view, view.index_from(begin))

    def _accepted(
        self, of: _Pass, hits: Hits, acceptance: Acceptance, begin: int, paired: Set[int], *, last: bool
    ) -> tuple[list[Occurrence], int]:
        """What is accepted; and from where on something is that is not certain yet."""
        accepted, waits_from = [], _NOWHERE
        view = of.view
        for number, start, end in hits:
            # Only what ends with the text can be uncertain.
            is_certain = last or end < len(view.text)
            for each in of.automaton.sought[number]:
                pattern = each.pattern
                if end <= of.first if each.role is Role.WORD else is_certain and id(each.entry) not in paired:
                    continue
                outcome = acceptance.of(pattern, view, start, end)
                if outcome is Outcome.NO:
                    continue
                place = view.span(start, end, pattern.runs)
                if place[0] < begin and each.role is Role.WORD:
                    continue
                if outcome is Outcome.LATER:
                    waits_from = min(waits_from, max(place[0], begin))
                    continue
                evasion = view.manner(start, end) if pattern.evasion in _SEEN else pattern.evasion
                accepted.append(Occurrence(*place, each, evasion, outcome is Outcome.DOUBTFUL))
        return accepted, waits_from

    def _live(self, of: _Pass, acceptance: Acceptance, begin: int) -> int:
        """Where the longest tail begins that could still become a word."""
        view, is_bare = of.view, of.view.evasion == "inserted"
        for start, growing in of.automaton.live_tails(view.text, of.first, without_letters=is_bare):
            needed = max(sought.pattern.runs[0] if sought.pattern.runs else 1 for sought in growing)
            at = view.tail(start, needed)
            if at >= begin and any(acceptance.may_begin(sought.pattern, view, start) for sought in growing):
                return at
        return _NOWHERE

    def _innocent(self, view: View, text: str, *, last: bool) -> tuple[Spans, int]:
        """Where allowed phrases stand, nothing within them dropped; and from where on one may still be completed."""
        spans = []
        for number, start, end in self._allowed.hits(view.text):
            for each in self._allowed.sought[number]:
                place = view.span(start, end, each.pattern.runs)
                if place[1] - place[0] == sum(each.pattern.runs or (end - start,)):
                    spans.append(place)
        waits_from = len(text)
        if not last:
            for start, growing in self._allowed.live_tails(view.text, 0):
                at = min(view.span(start, len(view.text), each.pattern.runs[:1])[0] for each in growing)
                waits_from = min(waits_from, at)
        return Spans(spans), waits_from


def _paired(passes: Iterable[tuple[_Pass, Hits]]) -> Set[int]:
    """The ids of the entries of which both sides seem to stand in a text."""
    sides: dict[Role, set[int]] = {role: set() for role in Role}
    for each, hits in passes:
        for number in {number for number, _, _ in hits}:
            for sought in each.automaton.sought[number]:
                sides[sought.role].add(id(sought.entry))
    return sides[Role.HEAD] & sides[Role.PARTNER]
