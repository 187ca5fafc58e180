"""Word lists: a mistake is told with its file and line."""

from pathlib import Path

import pytest

from services.moderation.words import read_words
from services.runtime.errors import StartupError


def test_words_comments_and_labels_are_read(tmp_path: Path) -> None:
    (tmp_path / "20006-a.txt").write_text("\ufeff# 注释\n\n坏词\nbad word\n", encoding="utf-8")
    assert [(word.text, word.label) for word in read_words(tmp_path)] == [("坏词", 20006), ("bad word", 20006)]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("20006-a.txt", "好\n坏词\n坏 词\n".encode(), r"20006-a.txt:3: the same word stands at 20006-a.txt:2"),
        ("20006-a.txt", "好\n坏词\n".encode("gbk"), r"20006-a.txt:1: the line is not UTF-8"),
        ("20006-a.txt", "。。。\n".encode(), r"20006-a.txt:1: nothing is left"),
        ("20006-a.txt", b"x" * 65, r"20006-a.txt:1: the entry is longer"),
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
