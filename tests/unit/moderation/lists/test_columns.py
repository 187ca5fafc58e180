"""An entry's columns: there and back, and what an entry may not be."""

from dataclasses import replace

import pytest

from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lists.columns import COLUMNS, complaint, entry_of_row, row_of_entry

FULL = Entry("冰毒", 20006, Tier.REVIEW, frozenset({Evasion.PINYIN, Evasion.INITIALS}), ("出售", "代购"), 5)


def read(**row: str) -> Entry:
    """What a list of label 20006 and tier LOG says."""
    return entry_of_row(row, label=20006, tier=Tier.LOG, list_name="l")


def test_an_entry_is_what_its_columns_say_and_its_list_where_they_are_silent() -> None:
    assert read(word="坏词") == Entry("坏词", 20006, Tier.LOG, list_name="l")
    assert read(word=" 坏词 ", label=" 20008 ", tier="BLOCK", also="", near="", within="") == Entry(
        "坏词", 20008, Tier.BLOCK, list_name="l"
    )


def test_columns_of_an_entry_are_read_as_that_entry() -> None:
    row = dict(zip(COLUMNS, row_of_entry(FULL), strict=True))
    assert read(**row) == replace(FULL, list_name="l")
    assert row_of_entry(Entry("坏词"))[COLUMNS.index("within")] == ""


def test_several_values_stand_between_bars_and_empty_ones_are_none() -> None:
    entry = read(word="坏词", also="pinyin| |Reversed|", near="|出售||代购")
    assert (entry.also, entry.near) == (frozenset({Evasion.PINYIN, Evasion.REVERSED}), ("出售", "代购"))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"label": "crime"}, "label 'crime' must be one of"),
        ({"label": "-1"}, "label '-1' must be one of"),
        # A digit, and no ASCII.
        ({"label": "２０００６"}, "label .* must be one of"),
        ({"label": "9" * 5_000}, "label '9{20}' must be one of"),
        ({"tier": "blok"}, "tier 'blok' must be one of block, review, log, allow"),
        ({"also": "pinyin,initials"}, r"set apart by \|"),
        ({"near": "|"}, "near names no word"),
        ({"within": "5"}, "near names no word"),
        ({"near": "出售", "within": "five"}, "within must be a number"),
        ({"near": "出售", "within": "-5"}, "within must be a number"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(row: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(word="坏词", **row)


@pytest.mark.parametrize(
    "word", ["坏词", "x" * 64, "C++", "3.5 mg", "what?", "(笑)", "100%", "a.b", "$$$x", "x^2", "'a'"]
)
def test_words_that_are_meant_as_they_stand_are_taken(word: str) -> None:
    assert complaint(Entry(word)) == ""


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("", "the word is empty"),
        ("x" * 65, "the word is longer than 64 characters"),
        ("#坏词", "begins a comment"),
        ("坏词 ", "begins or ends with a space"),
        ("坏\t词", "control character"),
        ("坏\u2028词", "control character"),
        ("，。", "is empty once spaces, punctuation"),
        ("\u200b\u200d", "is empty once spaces, punctuation"),
        ("坏.*词", "regular expression"),
        ("坏.+词", "regular expression"),
        ("[坏好]词", "regular expression"),
        (r"坏\d词", "regular expression"),
        ("(坏|好)词", "regular expression"),
        ("坏词{2,}", "regular expression"),
        ("(?:坏)词", "regular expression"),
        ("^坏词", "regular expression"),
    ],
)
def test_what_can_be_no_word_is_said_of_the_word_and_of_words_near_it(word: str, why: str) -> None:
    assert why in complaint(Entry(word))
    assert complaint(Entry("坏词", near=("出售", word))).startswith("a word of near ")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Entry("坏词", label=100), "label must be one of"),
        (Entry("坏词", near=tuple("甲乙丙丁戊己庚辛壬")), "near names more than 8 words"),
        (Entry("坏词", near=("出售",), within=0), "within must be 1 to 100"),
        (Entry("坏词", near=("出售",), within=101), "within must be 1 to 100"),
        (Entry("坏词", tier=Tier.ALLOW, near=("出售",)), "neither also nor near"),
        (Entry("坏词", tier=Tier.ALLOW, also=frozenset({Evasion.PINYIN})), "neither also nor near"),
    ],
)
def test_what_can_be_no_entry_is_said(entry: Entry, why: str) -> None:
    assert why in complaint(entry)
    assert complaint(FULL) == ""
