"""Answers that arrive in pieces: the same verdict as for the whole text, and no refused character ever shown."""

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import CONTEXT_CHARACTERS, LIVE_CHARACTERS_MAX, Judged, judge
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lexicon.screening import screen
from tests.unit.moderation.lexicon.cases import EVADED, INNOCENT, LEXICON

ALSO = frozenset(Evasion)

# Words within words, beside words, and that share beginnings and ends, in every tier.
TANGLED_ENTRIES = (
    Entry("违禁词"),
    Entry("禁词表"),
    Entry("词", 10001, Tier.REVIEW),
    Entry("违禁表品"),
    Entry("bad word"),
    Entry("bad", tier=Tier.LOG),
    Entry("worse"),
    Entry("or"),
    Entry("a1", tier=Tier.REVIEW),
    Entry("毒x品"),
    Entry("aab"),
    Entry("赌博", also=ALSO),
    Entry("天天赌"),
    Entry("爸爸", tier=Tier.REVIEW),
    Entry("六四"),
    Entry("9024"),
    Entry("664"),
    Entry("冰毒", near=("出售", "ok"), within=6),
    Entry("k粉", near=("词",), within=3, tier=Tier.REVIEW),
    Entry("病毒", tier=Tier.ALLOW),
    Entry("禁词表达", tier=Tier.ALLOW),
    Entry("读博吧", tier=Tier.ALLOW),
    Entry("毒", tier=Tier.LOG),
    Entry("枪支"),
    Entry("shit"),
    Entry("god"),
    Entry("赌赌钱"),
)
TANGLED = Lexicon(TANGLED_ENTRIES)

PIECES = (
    *(
        "违禁词",
        "禁词表",
        "bad word",
        "worse",
        "毒x品",
        "赌博",
        "天天赌",
        "爸爸",
        "六四",
        "9024",
        "6644",
        "冰毒",
        "出售",
    ),
    *(
        "k粉",
        "病毒",
        "禁词表达",
        "读博吧",
        "枪支",
        "shit",
        "$hit",
        "贝者",
        "木仓",
        "dubo",
        "db",
        "du",
        "🔫",
        "💊",
        "赌赌钱",
    ),
    *(
        "goood",
        "good",
        "god",
        *"违禁词表达品毒冰出售赌博天爸六四九⓿二肆木贝者病abdwosek1枪kfx64读吧支 ，-。\n\u200b\u0301台ＡＷ",
    ),
)


def stream(lexicon: Lexicon, pieces: Iterable[str]) -> tuple[str, Judged]:
    """What is shown of an answer, and what is found in it, as chat screens it."""
    shown = held = ""
    referred: list[Match] = []
    logged: list[Match] = []
    arrived = list(pieces)
    for number, piece in enumerate(arrived, 1):
        held += piece
        last = number == len(arrived)
        screened = screen(lexicon, held, preceding=shown[-CONTEXT_CHARACTERS:], last=last)
        referred += _moved(screened.referred, len(shown))
        logged += _moved(screened.logged, len(shown))
        before = len(shown)
        shown, held = shown + held[: screened.released_characters], held[screened.released_characters :]
        if screened.refused is not None:
            return shown, Judged(_moved([screened.refused], before)[0], tuple(referred), tuple(logged))
    assert held == ""
    return shown, Judged(None, tuple(referred), tuple(logged))


def _moved(matches: Sequence[Match], by: int) -> list[Match]:
    return [replace(match, start=match.start + by, end=match.end + by) for match in matches]


def assert_same(lexicon: Lexicon, text: str, pieces: Sequence[str]) -> None:
    whole = judge(lexicon, text)
    shown, found = stream(lexicon, pieces)
    assert _facts(found) == _facts(whole)
    assert shown == (text if whole.refused is None else text[: whole.refused.start])


def _facts(judged: Judged) -> tuple[object, ...]:
    return tuple(
        sorted((match.start, match.end, match.entry.word, match.tier, match.evasion) for match in matches)
        for matches in ([judged.refused] if judged.refused else [], judged.referred, judged.logged)
    )


def cut(text: str, at: Iterable[int]) -> list[str]:
    edges = [0, *sorted({place for place in at if 0 < place < len(text)}), len(text)]
    return [text[begin:end] for begin, end in pairwise(edges)]


def decoded(pieces: Iterable[bytes]) -> list[str]:
    """Text from bytes that are cut anywhere, as a stream's reader decodes them."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(piece) for piece in pieces]


@pytest.mark.parametrize("text", [f"{before}{text}" for _, text, _ in EVADED for before in ("", "好的，我说")])
def test_an_evaded_word_is_refused_wherever_the_stream_is_cut(text: str) -> None:
    for after in ("", "。再见"):
        whole = text + after
        for place in range(1, len(whole)):
            assert_same(LEXICON, whole, cut(whole, [place]))
        assert_same(LEXICON, whole, list(whole))
        encoded = whole.encode()
        for place in range(1, len(encoded)):
            assert_same(LEXICON, whole, decoded([encoded[:place], encoded[place:]]))
        assert_same(LEXICON, whole, decoded(bytes([byte]) for byte in encoded))


@pytest.mark.parametrize("text", [text for _, text in INNOCENT])
def test_an_innocent_sentence_is_shown_whole_wherever_it_is_cut(text: str) -> None:
    for place in range(1, len(text)):
        assert_same(LEXICON, text, cut(text, [place]))
    assert_same(LEXICON, text, list(text))


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    places=st.lists(st.integers(0, 40), max_size=12),
)
def test_any_text_is_judged_alike_however_it_is_cut(text: str, places: list[int]) -> None:
    assert_same(TANGLED, text, cut(text, places))
    assert_same(TANGLED, text, cut(text, range(len(text))))


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(st.text("甲乙丙ab1", min_size=1, max_size=4), min_size=1, max_size=5),
    text=st.text("甲乙丙ab1 ，\u200bＡ", max_size=14),
    data=st.data(),
)
def test_any_lexicon_judges_alike_however_a_text_is_cut(words: list[str], text: str, data: st.DataObject) -> None:
    lexicon = Lexicon(
        Entry(word, tier=data.draw(st.sampled_from(Tier)), near=tuple(data.draw(st.sampled_from([[], words[:1]]))))
        for word in words
    )
    assert_same(lexicon, text, cut(text, data.draw(st.lists(st.integers(0, 14), max_size=5))))


def test_ordinary_text_is_not_delayed() -> None:
    """What waits is at most a tail that could still become a word."""
    text = "春江潮水连海平，海上明月共潮生。The moon rises with the tide; 今天天气不错，适合出门走走，也适合读书。"
    shown = held = ""
    waits = []
    for character in text:
        held += character
        released = screen(LEXICON, held, preceding=shown[-CONTEXT_CHARACTERS:], last=False).released_characters
        shown, held = shown + held[:released], held[released:]
        waits.append(len(held))
    assert max(waits) <= 2
    assert waits.count(0) > 0.8 * len(waits)


def test_a_window_waits_no_longer_than_the_longest_word_could() -> None:
    text = "违禁" * 500
    screened = screen(TANGLED, text, preceding="", last=False)
    assert len(text) - screened.released_characters <= 4


@pytest.mark.parametrize("letter", ["违", "b", "六", "毒"])
@pytest.mark.parametrize("blank", [" ", "\u200b", "\n"])
def test_what_waits_behind_one_letter_is_bounded_however_many_blanks_follow(letter: str, blank: str) -> None:
    piece = blank * 500
    held, shown = letter, ""
    for _ in range(20):
        held += piece
        released = screen(TANGLED, held, preceding=shown[-CONTEXT_CHARACTERS:], last=False).released_characters
        shown, held = shown + held[:released], held[released:]
        assert len(held) <= LIVE_CHARACTERS_MAX
    assert shown + held == letter + piece * 20


def test_a_word_is_refused_in_a_stream_as_far_apart_as_one_is_seen() -> None:
    spread = "违" + " " * 400 + "禁" + " " * 400 + "词"
    shown, found = stream(TANGLED, cut(f"甲乙{spread}丙", range(0, 900, 7)))
    assert shown == "甲乙"
    assert found.refused is not None
    # One that waits for what stands before it is not let go because it waits for long.
    assert_same(TANGLED, f"六{' ' * 3_000}违禁词", cut(f"六{' ' * 3_000}违禁词", range(0, 3_000, 100)))


def test_the_end_of_an_answer_releases_what_was_held_back() -> None:
    assert screen(LEXICON, "他去赌", preceding="", last=False).released_characters == 2
    assert screen(LEXICON, "他去赌", preceding="", last=True).released_characters == 3


def test_the_two_sides_of_a_combination_are_seen_over_what_was_released() -> None:
    screened = screen(LEXICON, "有冰毒", preceding="大量出售", last=False)
    assert screened.refused is not None
    assert screened.released_characters == 1


def test_a_side_of_a_combination_waits_until_it_is_certain() -> None:
    assert screen(TANGLED, "我说ok", preceding="", last=False).released_characters == 2
    assert screen(TANGLED, "我说ok吧", preceding="", last=False).released_characters == 5
