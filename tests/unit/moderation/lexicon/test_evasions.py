"""Each way of evading the lexicon, and the innocent sentences beside it."""

import pytest

from services.moderation.lexicon.judging import judge
from tests.unit.moderation.lexicon.cases import EVADED, INNOCENT, LEXICON


@pytest.mark.parametrize(("name", "text", "word"), EVADED)
def test_a_word_is_refused_however_it_is_written(name: str, text: str, word: str) -> None:
    for written in (text, f"请问{text}。", f"{text}\n{text}", f"好，{text}"):
        refused = judge(LEXICON, written).refused
        assert refused is not None
        assert refused.entry.word == word


@pytest.mark.parametrize(("name", "text"), INNOCENT)
def test_an_innocent_sentence_is_not_refused(name: str, text: str) -> None:
    for written in (text, f"请问{text}。", f"{text}\n{text}", f"好，{text}"):
        assert judge(LEXICON, written).refused is None


@pytest.mark.parametrize(
    ("text", "start", "end", "evasion"),
    [
        ("我爱赌博", 2, 4, "plain"),
        ("我爱 赌\u200b 博。", 3, 7, "spaced"),
        ("贝者博啊", 0, 3, "split"),
        ("去🔫支", 1, 3, "emoji"),
        ("来luo liao吧", 1, 9, "pinyin"),
        ("来 ll 吧", 2, 4, "initials"),
        ("来落聊", 1, 3, "homophones"),
        ("来聊裸", 1, 3, "reversed"),
        ("赌赌赌博博", 2, 4, "repeats"),
        ("一个@ss", 2, 5, "leet"),
        ("賭博", 0, 2, "plain"),
    ],
)
def test_a_word_is_found_where_it_stands_in_the_original(text: str, start: int, end: int, evasion: str) -> None:
    found = judge(LEXICON, text).refused
    assert found is not None
    assert (found.start, found.end) == (start, end)
    assert found.evasion == evasion
