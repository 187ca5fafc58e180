"""Screening of answers: however a stream is cut, the verdict is the whole text's, and no refused character leaves."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.moderation.lexicon.lexicon import Lexicon, Match, Word
from services.moderation.lexicon.screening import screen

# Words inside words, words that begin words, words that overlap; each has a label of its own.
WORDS = ("违禁词", "禁词表", "词", "违禁词表品", "bad word", "bad", "worse", "or", "a1", "毒x品", "x品好", "aab")
LEXICON = Lexicon([Word(text, label) for label, text in enumerate(WORDS)])

# Words, their pieces, and what stands between them, so that words and all but words come often.
PIECES = [*WORDS, *"违禁词表毒品好xabdworse1AＷ", " ", "，", "-", "\n", "\u200b", "\u0301", "\u3164", "台"]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
cuts = st.lists(st.integers(0, 40), max_size=12)


def stream(text: str, edges: Iterable[int]) -> tuple[str, Match | None]:
    """What is shown of a text that arrives cut at these edges; and what refused it, placed in the whole text."""
    shown, held = "", ""
    bounds = [0, *sorted(edge for edge in edges if edge < len(text)), len(text)]
    for begin, end in zip(bounds, bounds[1:], strict=False):  # noqa: RUF007  # indexes read better here
        held += text[begin:end]
        screened = screen(LEXICON, held, preceding=shown[-1:], last=end == len(text))
        before = len(shown)
        shown, held = shown + held[: screened.released_characters], held[screened.released_characters :]
        if screened.match is not None:
            match = screened.match
            return shown, Match(before + match.start, before + match.end, match.label)
    return shown, None


def assert_is_the_whole_texts(text: str, shown: str, refused_by: Match | None) -> None:
    whole = LEXICON.find(text)
    assert refused_by == whole
    assert shown == (text if whole is None else text[: whole.start])


@settings(max_examples=1000)
@given(text=texts, edges=cuts)
def test_any_cutting_gives_the_verdict_of_the_whole(text: str, edges: list[int]) -> None:
    assert_is_the_whole_texts(text, *stream(text, edges))


@given(text=texts)
def test_a_cut_at_every_single_offset_and_at_all_of_them_gives_the_verdict_of_the_whole(text: str) -> None:
    for offset in range(len(text) + 1):
        assert_is_the_whole_texts(text, *stream(text, [offset]))
    assert_is_the_whole_texts(text, *stream(text, range(1, len(text))))


@pytest.mark.parametrize(
    "text",
    [
        "x\u200bworse",  # the invisible character must not make "worse" stand alone
        "违禁词表品",  # the word inside is complete before the word around it
        "违禁词表好",
        "bad wor 词",
        "好a\u200b1\u200b",
    ],
)
def test_the_hard_cases_of_cutting(text: str) -> None:
    for offset in range(len(text) + 1):
        assert_is_the_whole_texts(text, *stream(text, [offset]))
    assert_is_the_whole_texts(text, *stream(text, range(1, len(text))))


@settings(max_examples=300)
@given(text=texts)
def test_what_is_held_back_could_still_become_a_word(text: str) -> None:
    screened = screen(LEXICON, text, preceding="", last=False)
    held = text[screened.released_characters :].lstrip("\u200b\u0301\u3164")
    if screened.match is not None or not held:
        return
    begin = len(text) - len(held)
    rests = {word[size:] for word in WORDS for size in range(1, len(word) + 1)}
    # Each completion is tried with nothing after it and with a space, for some words end only there.
    found = [LEXICON.find(text + rest) for rest in rests]
    assert any(match is not None and match.start == begin for match in found)


def test_ordinary_text_is_not_delayed() -> None:
    text = "今天天气很好，我们一起去公园散步吧。The weather is fine"
    assert screen(LEXICON, text, preceding="", last=False).released_characters == len(text)


def test_a_window_that_begins_inside_a_word_is_not_its_beginning() -> None:
    assert screen(LEXICON, "worse", preceding="x", last=True).match is None
    assert screen(LEXICON, "worse", preceding=" ", last=True).match is not None
