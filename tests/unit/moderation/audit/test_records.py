"""What the audit remembers of a finding."""

import hashlib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.moderation.audit.records import EXCERPT_CHARACTERS_MAX, excerpt, name, notes, text_sha256
from services.moderation.domain import Action, Direction, Finding, Layer

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def finding(text: str, start: int = 0, end: int = 1, **other: str) -> Finding:
    return Finding(
        action=Action.REFUSED,
        direction=Direction.INPUT,
        layer=Layer.LEXICON,
        rule=other.get("rule", "词"),
        label=21000,
        evasion="plain",
        start=start,
        end=end,
        text=text,
        request_id=other.get("request_id", "r"),
        user_id=other.get("user_id", "u"),
        version="v",
    )


def test_a_text_is_told_by_its_hash_and_kept_only_when_asked_for() -> None:
    (bare,) = notes([finding("私密的词")], NOW, "t", keep_texts=False)
    (kept,) = notes([finding("私密的词")], NOW, "t", keep_texts=True)
    assert bare.excerpt is None
    assert kept.excerpt == "私密的词"
    assert bare.record == kept.record
    assert bare.record.text_sha256 == hashlib.sha256("私密的词".encode()).digest()
    assert "私密" not in repr(kept)


def test_findings_of_one_text_and_of_several_keep_their_own_hashes() -> None:
    found = notes([finding("甲"), finding("乙"), finding("甲")], NOW, "", keep_texts=False)
    assert [note.record.text_sha256 for note in found] == [text_sha256(text) for text in "甲乙甲"]


@given(length=st.integers(1, 12_000), data=st.data())
def test_an_excerpt_is_short_and_contains_what_was_found(length: int, data: st.DataObject) -> None:
    # Every character its own, so that a part of the text can be told from every other.
    text = "".join(map(chr, range(0x4E00, 0x4E00 + length)))
    start = data.draw(st.integers(0, length - 1))
    end = data.draw(st.integers(start, min(length, start + 64)))
    part = excerpt(text, start, end)
    assert len(part) == min(length, EXCERPT_CHARACTERS_MAX)
    assert part in text
    assert text[start:end] in part


def test_of_a_whole_long_text_the_beginning_is_kept() -> None:
    text = "甲" * 4_000 + "乙" * 4_000
    assert excerpt(text, 0, len(text)) == "甲" * 4_000


def test_names_that_no_database_takes_are_made_ones_that_it_does() -> None:
    assert name("r\x001") == "r\N{REPLACEMENT CHARACTER}1"
    assert name("长" * 5_000) == "长" * 200
    (note,) = notes([finding("词", request_id="\x00", user_id="u" * 300, rule="a\x00b")], NOW, "", keep_texts=False)
    assert "\x00" not in note.record.request_id + note.record.rule
    assert len(note.record.user_id) == 200


def test_a_text_that_is_no_unicode_has_a_hash_all_the_same() -> None:
    assert len(text_sha256("\ud800")) == 32
