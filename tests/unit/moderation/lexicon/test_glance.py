"""What a glance at a window sees: just what a search of all that stands before it finds."""

from collections.abc import Sequence
from itertools import chain, repeat

from hypothesis import event, given, settings
from hypothesis import strategies as st

from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import CONTEXT_CHARACTERS
from services.moderation.lexicon.lexicon import Found, Lexicon
from services.moderation.lexicon.screening import Screened, screen
from tests.unit.moderation.lexicon.test_screening import PIECES, TANGLED, TANGLED_ENTRIES, cut

# Of runs, of single characters, of sides that stand alone, and longer than what a glance looks at.
ODD = (
    Entry("aaa"),
    Entry("o", tier=Tier.LOG),
    Entry("oo", tier=Tier.REVIEW, near=("赌",)),
    Entry("赌的", near=("违",), also=frozenset(Evasion)),
    Entry("的的的"),
    Entry("的一", tier=Tier.ALLOW),
    Entry("ok", near=("你", "the"), also=frozenset(Evasion)),
    Entry("abc the ok"),
    Entry("1212"),
    Entry("12", tier=Tier.REVIEW),
)
# A side that ends where a word may go on, and is longer than a glance sees.
LONG = "abcdefghik" * 10
LEXICONS = (TANGLED, Lexicon(ODD), Lexicon([*ODD, Entry(LONG, near=("你",))]))

# What stands between the pieces in prose, in a text that is long enough to have more than a glance sees.
PROSE = (
    "的一是不了在人有我他这个们中来上",
    "the moon ",
    "ok",
    "，",
    "。\n",
    " ",
    "\u200b",
    "12",
    "oo",
    "aaa",
    "你",
    "的",
)
PARTS = st.builds(
    lambda piece, times: piece * times,
    st.sampled_from([*PIECES, *PROSE, *PROSE, *PROSE]),
    st.sampled_from([1, 1, 1, 1, 2, 3, 50]),
)
TEXTS = st.lists(PARTS, min_size=1, max_size=60).map("".join)
# What stands right before a window, and is not over or seems to go on in it; and windows of what cannot be seen.
EDGES = st.sampled_from(["", "ok", "the", "赌", "违", "o", "1", LONG, LONG[:-1], "o" + " " * 90])
WINDOWS = st.lists(
    st.sampled_from(["\u200b", "\u200b", " ", "o", "k", "的", "一", "1", "a", "。", "赌", *PROSE]), max_size=5
).map("".join)


class Thorough(Lexicon):
    """One that never glances."""

    def glance(self, text: str, begin: int, *, last: bool) -> Found | None:
        return None


THOROUGH = (Thorough(TANGLED_ENTRIES), Thorough(ODD))


@settings(max_examples=500, deadline=None)
@given(
    lexicon=st.sampled_from(LEXICONS),
    before=TEXTS,
    edge=EDGES,
    window=WINDOWS,
    last=st.booleans(),
)
def test_a_glance_says_what_a_search_does(lexicon: Lexicon, before: str, edge: str, window: str, last: bool) -> None:
    preceding = (before + edge)[-CONTEXT_CHARACTERS:]
    seen = lexicon.glance(preceding + window, len(preceding), last=last)
    event("searched" if seen is None else "seen at a glance")
    if seen is not None:
        found = lexicon.search(preceding + window, len(preceding), last=last)
        assert (list(found.matches), found.live) == ([], seen.live)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, places=st.lists(st.integers(0, 400), max_size=20), reloads=st.lists(st.booleans(), max_size=20))
def test_a_glance_changes_nothing_of_a_stream_whatever_lists_are_reloaded_meanwhile(
    text: str, places: list[int], reloads: list[bool]
) -> None:
    pieces = cut(text, places)
    assert _streamed((LEXICONS[0], LEXICONS[1]), pieces, reloads) == _streamed(THOROUGH, pieces, reloads)


def test_prose_is_seen_at_a_glance() -> None:
    text = "春江潮水连海平，海上明月共潮生。滟滟随波千万里，何处春江无月明。江流宛转绕芳甸，月照花林皆似霰。" * 9
    seen = [TANGLED.glance(text[at : at + 268], 256, last=False) for at in range(0, 200, 7)]
    assert all(seen)


def _streamed(
    lexicons: tuple[Lexicon, Lexicon], pieces: Sequence[str], reloads: Sequence[bool]
) -> list[tuple[object, ...]]:
    """What is said of each window, some by one lexicon and some by another."""
    said = []
    shown = held = ""
    for number, (piece, is_other) in enumerate(zip(pieces, chain(reloads, repeat(False)), strict=False), 1):
        held += piece
        last = number == len(pieces)
        screened = screen(lexicons[is_other], held, preceding=shown[-CONTEXT_CHARACTERS:], last=last)
        said.append(_facts(screened))
        shown, held = shown + held[: screened.released_characters], held[screened.released_characters :]
    return said


def _facts(screened: Screened) -> tuple[object, ...]:
    found: list[Match] = [*screened.referred, *screened.logged, *([screened.refused] if screened.refused else [])]
    return screened.released_characters, [(each.start, each.end, each.entry, each.evasion, each.tier) for each in found]
