"""Word lists: a mistake is told with its file and line."""

from pathlib import Path

import pytest

from services.moderation.lists.words import read_words
from services.runtime.errors import StartupError


def test_words_comments_and_labels_are_read(tmp_path: Path) -> None:
    (tmp_path / "20006-a.txt").write_text("\ufeff# 注释\n\n坏词\nbad word\n", encoding="utf-8")
    assert [(word.text, word.label) for word in read_words(tmp_path)] == [("坏词", 20006), ("bad word", 20006)]


def test_a_single_list_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "20006-a.txt").write_text("坏词\n", encoding="utf-8")
    (tmp_path / "20008-b.txt").write_text("别的\n", encoding="utf-8")
    assert [word.text for word in read_words(tmp_path / "20006-a.txt")] == ["坏词"]


def test_english_words_that_differ_in_their_spaces_are_different(tmp_path: Path) -> None:
    (tmp_path / "20006-a.txt").write_text("bad ass\nbadass\n", encoding="utf-8")
    assert len(read_words(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("20006-a.txt", "好\n坏词\n坏 词\n".encode(), r"20006-a.txt:3: the same word stands at 20006-a.txt:2"),
        ("20006-a.txt", "好\n坏词\n".encode("gbk"), r"20006-a.txt:1: the line is not UTF-8"),
        ("20006-a.txt", "。。。\n".encode(), r"20006-a.txt:1: nothing is left"),
        ("20006-a.txt", b"Bad word\nbad\xc2\xa0WORD\n", r"20006-a.txt:2: the same word stands at 20006-a.txt:1"),
        ("20006-a.txt", "坏词\n".encode("utf-16"), r"20006-a.txt:1: the line is not UTF-8"),
        ("20006-a.txt", b"x" * 65, r"20006-a.txt:1: the entry is longer"),
        ("20006-a.txt", b"ok\n" + b"x" * 10_000_000, r"20006-a.txt:2: the entry is longer"),
        ("99999-a.txt", b"x", r"99999-a.txt: a list's name begins with a label code"),
        ("words.txt", b"x", r"words.txt: a list's name begins with a label code"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StartupError, match=complaint):
        read_words(tmp_path)


def test_a_folder_without_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="has no word list"):
        read_words(tmp_path)
    with pytest.raises(StartupError, match="has no word list"):
        read_words(tmp_path / "missing")
