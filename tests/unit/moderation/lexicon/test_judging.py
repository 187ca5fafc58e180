"""What a whole text deserves: tiers, combinations, allowed phrases, and texts of any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.moderation.lexicon.entries import Entry, Tier
from services.moderation.lexicon.judging import judge
from services.moderation.lexicon.lexicon import Found, Lexicon


def words(text: str, *entries: Entry) -> tuple[str | None, list[str], list[str]]:
    judged = judge(Lexicon(entries), text)
    refused = judged.refused.entry.word if judged.refused else None
    return refused, [match.entry.word for match in judged.referred], [match.entry.word for match in judged.logged]


BLOCK, REVIEW, LOG = Entry("拒绝词"), Entry("复核词", tier=Tier.REVIEW), Entry("记录词", tier=Tier.LOG)


def test_the_first_word_that_blocks_refuses_and_what_is_before_it_is_referred_and_logged() -> None:
    assert words("记录词复核词拒绝词复核词拒绝词", BLOCK, REVIEW, LOG) == ("拒绝词", ["复核词"], ["记录词"])


def test_of_equal_entries_the_first_counts() -> None:
    lexicon = Lexicon([Entry("某 词", 20006), Entry("某词", 20008, Tier.LOG)])
    assert len(lexicon) == 1
    assert [match.entry.label for match in lexicon.find("某词")] == [20006]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("出售冰毒", True),
        ("冰毒出售", True),
        ("出售12345冰毒", True),
        ("出售123456冰毒", False),
        ("出售。冰毒", True),
        ("出售", False),
        ("冰毒", False),
        ("出冰毒售", False),
    ],
)
def test_a_combination_needs_both_sides_near_each_other(text: str, is_found: bool) -> None:
    assert (words(text, Entry("冰毒", near=("出售", "代购"), within=5))[0] is not None) == is_found


def test_a_word_within_an_allowed_phrase_is_innocent_and_one_beside_it_is_not() -> None:
    entries = (Entry("台独"), Entry("一台独立", tier=Tier.ALLOW))
    assert words("买一台独立显卡", *entries)[0] is None
    assert words("一台独立显卡和台独", *entries)[0] == "台独"
    assert words("一台，独立", *entries) == (None, ["台独"], [])


def test_words_over_the_end_of_a_sentence_are_referred_not_refused() -> None:
    assert words("他先赌。博物馆后去", Entry("赌博")) == (None, ["赌博"], [])
    assert words("沉迷网络赌场，开户的人", Entry("网络赌场开户")) == (None, ["网络赌场开户"], [])
    assert words("网，络，赌，场，开户", Entry("网络赌场开户"))[0] == "网络赌场开户"


@given(before=st.integers(16_300, 16_500), after=st.integers(0, 40_000))
def test_a_word_is_found_wherever_it_stands_in_a_long_text(before: int, after: int) -> None:
    judged = judge(Lexicon([BLOCK]), "字" * before + "拒 绝\u200b词" + "字" * after)
    assert judged.refused is not None
    assert (judged.refused.start, judged.refused.end) == (before, before + 5)


@given(text=st.text(max_size=60))
def test_any_text_has_a_judgement_and_offsets_are_within_it(text: str) -> None:
    lexicon = Lexicon([Entry("a"), Entry("b c"), Entry("一", tier=Tier.LOG), Entry("0", tier=Tier.REVIEW)])
    for match in lexicon.find(text):
        assert 0 <= match.start < match.end <= len(text)


def test_an_empty_lexicon_finds_nothing() -> None:
    assert words("拒绝词") == (None, [], [])


def test_a_letter_before_a_million_blanks_is_read_once() -> None:
    """Each part of a long text begins near where the one before ended, whatever might still become a word."""
    lengths: list[int] = []

    class Counting(Lexicon):
        def search(self, text: str, begin: int, *, last: bool) -> Found:
            lengths.append(len(text))
            return super().search(text, begin, last=last)

    text = "拒" + " " * 200_000
    assert judge(Counting([BLOCK]), text).refused is None
    assert sum(lengths) < 1.5 * len(text)
