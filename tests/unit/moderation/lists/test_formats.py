"""Word lists: what is in them, and a mistake is told with its line."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.moderation.domain import LABELS
from services.moderation.errors import InvalidListError
from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lists.formats import Form, Format, form_of_file, read, write

pytestmark = pytest.mark.xdist_group("clock")

TXT = Form(Format.TXT, 20006)
CSV = Form(Format.CSV, 20006)


def wrong(content: bytes | str, form: Form = TXT) -> dict[str, str]:
    """What is wrong with a list, by its line."""
    with pytest.raises(InvalidListError) as caught:
        read(content.encode() if isinstance(content, str) else content, form, list_name="l")
    return dict(caught.value.fields)


def test_a_text_has_one_word_a_line_between_comments() -> None:
    entries = read("\ufeff# 注释\n\n坏词\r\n  bad word \n".encode(), TXT, list_name="l")
    assert entries == [Entry("坏词", 20006, list_name="l"), Entry("bad word", 20006, list_name="l")]


def test_a_table_names_its_columns_and_says_of_each_entry_what_the_list_does_not() -> None:
    content = 'word,label,tier,also,near,within\n坏词,20008,review,pinyin|homophones,,\n"药,片",,,,出售|代购,5\n'
    assert read(content.encode(), CSV, list_name="l") == [
        Entry("坏词", 20008, Tier.REVIEW, frozenset({Evasion.PINYIN, Evasion.HOMOPHONES}), list_name="l"),
        Entry("药,片", 20006, near=("出售", "代购"), within=5, list_name="l"),
    ]


def test_columns_stand_in_any_order_and_only_the_word_is_needed() -> None:
    assert read(b"Tier, Word\nlog, x1\n", CSV, list_name="l") == [Entry("x1", 20006, Tier.LOG, list_name="l")]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("20006-crime.txt", Form(Format.TXT, 20006)),
        ("20008-review-mine.csv", Form(Format.CSV, 20008, Tier.REVIEW)),
        ("allow-mine.txt", Form(Format.TXT, tier=Tier.ALLOW)),
    ],
)
def test_a_files_name_says_what_its_entries_are(name: str, form: Form) -> None:
    assert form_of_file(name) == form


@pytest.mark.parametrize("name", ["words.txt", "99999-a.txt", "20006.txt", "20006-a.doc", "20006-a.txt.exe"])
def test_a_name_that_says_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidListError, match="LABEL-anything"):
        form_of_file(name)


@pytest.mark.parametrize(
    ("content", "place", "complaint"),
    [
        ("ok\n坏词\n".encode("gbk"), "line 2", "not UTF-8 (it looks like GBK)"),
        (b"ok\n\xff\xff\n", "line 2", "not UTF-8"),
        ("坏词\n".encode("utf-16"), "line 1", "UTF-16, not UTF-8"),
        ("好\n坏词\n坏 词\n", "line 3", "the same word stands on line 2"),
        ("bad word\nBad\u00a0WORD\n", "line 2", "the same word stands on line 1"),
        ("賭博\n赌博\n", "line 2", "the same word stands on line 1"),
        ("ok\n" + "x" * 65, "line 2", "64"),
        ("ok\n" + "x" * 3_000_000, "line 2", "longer than 2,048"),
        (b"x" * 10_000_000, "content", "larger than 8,000,000 bytes"),
        ("。。。\n", "line 1", ""),
        ("ok\n\u200b\n", "line 2", ""),
        ("a\x00b\n", "line 1", "NUL"),
        ("a\x07b\n", "line 1", "control character"),
        ("赌.*博", "line 1", "regular expression"),
        ("[赌堵]博", "line 1", "regular expression"),
        (r"赌\d博", "line 1", "regular expression"),
        ("赌博|博彩", "line 1", "regular expression"),
        ("^赌博$", "line 1", "regular expression"),
        ("赌{2,3}", "line 1", "regular expression"),
    ],
)
def test_a_bad_text_is_refused_with_its_line(content: bytes | str, place: str, complaint: str) -> None:
    fields = wrong(content)
    assert list(fields) == [place]
    assert complaint in fields[place]


@pytest.mark.parametrize(
    ("content", "place", "complaint"),
    [
        ("坏词\n", "line 1", "no column"),
        ("word,colour\n坏词,red\n", "line 1", "no column 'colour'"),
        ("label\n20006\n", "line 1", "of which word is needed"),
        ("word,word\na,b\n", "line 1", "named twice"),
        ("", "line 1", "of which word is needed"),
        ("word,label\n坏词,99999\n", "line 2", "label"),
        ("word,label\n坏词,x\n", "line 2", "label"),
        ("word,tier\n坏词,blok\n", "line 2", "tier"),
        ("word,also\n坏词,french\n", "line 2", "also"),
        ("word,within\n坏词,5\n", "line 2", "near names no word"),
        ("word,near,within\n坏词,出售,101\n", "line 2", "within"),
        ("word,near,within\n坏词,出售,0\n", "line 2", "within"),
        ("word,near\n坏词,。\n", "line 2", "near"),
        ('word,near\n"坏词,出售\n好,出售\n', "line 2", "a quote is not closed"),
        ("word,near\n坏词,出售,3\n", "line 2", "3 fields, and the header 2"),
        ("word\n坏词\n\n坏 词\n", "line 4", "the same word stands on line 2"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(content: str, place: str, complaint: str) -> None:
    fields = wrong(content, CSV)
    assert list(fields) == [place]
    assert complaint in fields[place]


def test_every_wrong_line_is_named_up_to_a_hundred() -> None:
    assert list(wrong("ok\n。\n好\n，\n")) == ["line 2", "line 4"]
    assert len(wrong("。\n" * 5_000)) == 100


def test_the_same_word_with_another_condition_is_another_entry() -> None:
    entries = read("word,near\n冰毒,出售\n冰毒,购买\n冰毒,\n".encode(), CSV, list_name="l")
    assert len(entries) == 3


def test_too_many_entries_are_refused() -> None:
    content = "\n".join(f"w{number}x" for number in range(200_001))
    assert "200,000 entries" in wrong(content)["content"]


@pytest.mark.parametrize(
    "line", ["x" * 7_999_999, "，" * 2_600_000, "\n" * 7_999_999, "赌" * 2_600_000, "a," * 3_900_000]
)
def test_no_file_takes_more_than_seconds(line: str) -> None:
    begin = time.perf_counter()
    for form in (TXT, CSV):
        try:
            read(line.encode(), form, list_name="l")
        except InvalidListError:
            continue
    assert time.perf_counter() - begin < 5


entries = st.builds(
    Entry,
    word=st.text("坏词甲乙ab \"',", min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda word: any(map(str.isalnum, word))),
    label=st.sampled_from(LABELS),
    tier=st.sampled_from([Tier.BLOCK, Tier.REVIEW, Tier.LOG]),
    also=st.frozensets(st.sampled_from(Evasion)),
    near=st.lists(st.sampled_from(["出售", "代购"]), unique=True, max_size=2).map(tuple),
    within=st.integers(1, 100),
)


def test_an_allowed_phrase_takes_no_conditions() -> None:
    assert "neither also nor near" in wrong("word,tier,near\n坏词,allow,出售\n", CSV)["line 2"]


@given(entry=entries)
def test_what_is_written_is_read_again(entry: Entry) -> None:
    (again,) = read(write([entry]), CSV, list_name=entry.list_name)
    assert again == (entry if entry.near else Entry(entry.word, entry.label, entry.tier, entry.also))
