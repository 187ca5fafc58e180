"""Screening of answers: however a stream is cut, the verdict is the whole text's, and no refused character leaves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.moderation.lexicon import Lexicon, Word
from services.moderation.screening import screen

LEXICON = Lexicon([Word(text, 21000) for text in ("违禁词", "禁词表", "bad word", "worse", "a1", "毒x品", "aab")])

# Few characters, so that words and their beginnings come often.
texts = st.text(alphabet="违禁词表毒品x aAab1dworse，。-\u200b好", max_size=24)


def stream(text: str, cuts: list[int]) -> tuple[str, bool]:
    """What is shown of a text that arrives cut like this, and whether it was refused."""
    shown, held, preceding = "", "", ""
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]  # noqa: RUF007  # indexes read better here
    for index, piece in enumerate(pieces):
        held += piece
        screened = screen(LEXICON, held, preceding=preceding, last=index == len(pieces) - 1)
        shown, held = shown + held[: screened.released_characters], held[screened.released_characters :]
        preceding = shown[-1:]
        if screened.match is not None:
            return shown, True
    return shown, False


@settings(max_examples=1500)
@given(text=texts, cuts=st.lists(st.integers(0, 24), max_size=12))
def test_any_cutting_gives_the_verdict_of_the_whole(text: str, cuts: list[int]) -> None:
    whole = LEXICON.find(text)
    shown, refused = stream(text, cuts)
    assert refused == (whole is not None)
    if whole is None:
        assert shown == text
    else:
        assert text.startswith(shown)
        assert len(shown) <= whole.start


@given(text=texts)
def test_what_is_held_back_could_still_become_a_word(text: str) -> None:
    if LEXICON.find(text) is not None or LEXICON.find(text, last=False) is not None:
        return
    released = screen(LEXICON, text, preceding="", last=False).released_characters
    held = text[released:]
    completions = [
        word[size:]
        for word in ("违禁词", "禁词表", "bad word", "worse", "a1", "毒x品", "aab")
        for size in range(1, len(word) + 1)
    ]
    assert not held or any(LEXICON.find(text + rest) is not None for rest in completions)


def test_ordinary_text_is_not_delayed() -> None:
    text = "今天天气很好，我们一起去公园散步吧。The weather is fine"
    assert screen(LEXICON, text, preceding="", last=False).released_characters == len(text)


def test_a_window_that_begins_inside_a_word_is_not_its_beginning() -> None:
    assert screen(LEXICON, "worse", preceding="x", last=True).match is None
    assert screen(LEXICON, "worse", preceding=" ", last=True).match is not None
