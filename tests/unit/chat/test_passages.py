"""An answer in passages: nothing is left out, and the cuts do not depend on how it arrives."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.chat.passages import Passage, Passages
from services.chat.verdicts import OutputPlan, Review

PLAN = OutputPlan(Review.BESIDE, passage_characters=10, overlap_characters=3)
REFERRED = OutputPlan(Review.BESIDE, referred_only=True, passage_characters=10, overlap_characters=3)

texts = st.text(st.sampled_from("春江花月夜，。！\n"), max_size=120)
cuts = st.lists(st.integers(0, 120), max_size=20)


def pieces(text: str, at: list[int]) -> list[str]:
    edges = [0, *sorted(cut for cut in at if cut < len(text)), len(text)]
    return [text[begin:end] for begin, end in pairwise(edges)]


def passages(plan: OutputPlan, parts: list[tuple[str, bool]]) -> list[Passage]:
    cutting = Passages(plan)
    found = [passage for text, referred in parts for passage in cutting.add(text, referred=referred)]
    return found + list(cutting.finish())


def test_a_passage_ends_with_the_sentence_that_makes_it_long_enough() -> None:
    text = "一二三四五六。七八九十一二。三四五六七八九"
    assert passages(PLAN, [(text, False)]) == [
        Passage("一二三四五六。七八九十一二。", 0),
        Passage("一二。三四五六七八九", 14),
    ]


def test_text_without_an_end_of_a_sentence_is_cut_at_twice_the_length() -> None:
    assert [passage.start for passage in passages(PLAN, [("字" * 45, False)])] == [0, 20, 40]


def test_only_passages_that_were_referred_are_sent_with_what_stood_before_them() -> None:
    parts = [("一二三四五六七八九。", False), ("二二三四五六七八九。", True), ("三二三四五六七八九。", False)]
    assert passages(REFERRED, parts) == [Passage("八九。二二三四五六七八九。", 10, referred=True)]


def test_what_is_undecided_is_what_a_passage_to_come_will_send() -> None:
    cutting = Passages(REFERRED)
    list(cutting.add("一二三", referred=False))
    assert cutting.undecided_characters == 0
    list(cutting.add("四五", referred=True))
    assert cutting.undecided_characters == 5


@given(text=texts, at=cuts)
def test_every_character_is_in_a_passage_once_however_the_answer_arrives(text: str, at: list[int]) -> None:
    found = passages(PLAN, [(piece, False) for piece in pieces(text, at)])
    assert found == passages(PLAN, [(text, False)])
    whole = ""
    for passage in found:
        assert passage.start == len(whole)
        overlap = min(len(whole), PLAN.overlap_characters)
        assert passage.text[:overlap] == whole[len(whole) - overlap :]
        assert 1 <= len(passage.text) - overlap <= 2 * PLAN.passage_characters
        whole += passage.text[overlap:]
    assert whole == text


@given(text=texts, at=cuts, data=st.data())
def test_whatever_was_referred_is_in_a_passage(text: str, at: list[int], data: st.DataObject) -> None:
    parts = [(piece, data.draw(st.booleans())) for piece in pieces(text, at)]
    found = passages(REFERRED, parts)
    begin = 0
    for piece, referred in parts:
        for offset in range(begin, begin + len(piece)) if referred else ():
            assert any(passage.start <= offset < passage.start + 2 * PLAN.passage_characters for passage in found)
            assert any(text[offset] in passage.text for passage in found)
        begin += len(piece)
