"""What occurrences come to: allowed phrases make words within them innocent, combinations need both sides. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.moderation.lexicon.automaton import Role, Sought
from services.moderation.lexicon.entries import Entry, Tier

# The sides of a combination must not be stretched beyond what a stream remembers.
_SIDE_CHARACTERS_MAX = 64

# From the beginning of the earlier side to that of the later, with what cannot be seen: a stream remembers these and an
# allowed phrase before them.
_REACH_CHARACTERS = 192


@dataclass(frozen=True, slots=True)
class Match:
    """A listed word in a text: from `start` to `end` in the original, how it was written, and what it does there."""

    start: int
    end: int
    entry: Entry
    evasion: str
    tier: Tier


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where something that is looked for stands in a text, and how it was written; `doubtful` refers, at most."""

    start: int
    end: int
    sought: Sought
    evasion: str
    doubtful: bool


class Spans:
    """Stretches of a text, some within others."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        in_order = sorted(spans)
        self._spans = in_order
        self._starts = [start for start, _ in in_order]
        # How far those reach that begin up to here.
        self._reach = list(accumulate((end for _, end in in_order), max))

    def contain(self, occurrence: Occurrence) -> bool:
        """Whether one of them contains it whole."""
        count = bisect_right(self._starts, occurrence.start)
        return count > 0 and self._reach[count - 1] >= occurrence.end

    def cut_from(self, text: str) -> str:
        """What of the text none of them has."""
        kept, done = [], 0
        for start, end in self._spans:
            kept.append(text[done : max(start, done)])
            done = max(end, done)
        return "".join(kept) + text[done:] if kept else text


def distinct(occurrences: Iterable[Occurrence]) -> list[Occurrence]:
    """Each place of an entry once, as it is seen in the plainest view."""
    found: dict[tuple[int, int, int, Role, str], Occurrence] = {}
    for each in occurrences:
        partner = each.sought.pattern.text if each.sought.role is Role.PARTNER else ""
        found.setdefault((each.start, each.end, id(each.sought.entry), each.sought.role, partner), each)
    return list(found.values())


def _tier(entry: Entry, *, doubtful: bool) -> Tier:
    return Tier.REVIEW if doubtful and entry.tier is Tier.BLOCK else entry.tier


def alone(occurrences: Iterable[Occurrence], begin: int) -> Iterator[tuple[int, Match]]:
    """Words that count alone; with where they begin."""
    for each in occurrences:
        if each.sought.role is Role.WORD and each.start >= begin:
            entry = each.sought.entry
            yield each.start, Match(each.start, each.end, entry, each.evasion, _tier(entry, doubtful=each.doubtful))


def combined(
    occurrences: Iterable[Occurrence], begin: int, between: Callable[[int, int], int]
) -> Iterator[tuple[int, Match]]:
    """What completes a combination, the later of its two sides; with where the earlier begins.

    `between` says how many characters that can be seen stand between two places: blanks make nothing far.
    """
    sides: dict[int, list[Occurrence]] = {}
    for each in occurrences:
        if each.sought.role is not Role.WORD and each.end - each.start <= _SIDE_CHARACTERS_MAX:
            sides.setdefault(id(each.sought.entry), []).append(each)
    for of_one in sides.values():
        of_one.sort(key=lambda side: (side.start, side.end))
        for index, later in enumerate(of_one):
            if later.start >= begin and (earlier := _earlier_side(of_one, index, between)) is not None:
                entry = later.sought.entry
                tier = _tier(entry, doubtful=earlier.doubtful or later.doubtful)
                head = later if later.sought.role is Role.HEAD else earlier
                yield earlier.start, Match(later.start, later.end, entry, head.evasion, tier)


def _earlier_side(sides: Sequence[Occurrence], index: int, between: Callable[[int, int], int]) -> Occurrence | None:
    """The nearest of the other role that ends before this one begins, near enough."""
    later = sides[index]
    within = later.sought.entry.within
    for place in range(index - 1, -1, -1):
        earlier = sides[place]
        if later.start - earlier.start > _REACH_CHARACTERS:
            return None
        if earlier.sought.role is later.sought.role or later.start < earlier.end:
            continue
        if later.start - earlier.end <= within or between(earlier.end, later.start) <= within:
            return earlier
    return None
