"""What is looked for, as PostgreSQL takes it, and what is quoted."""

import pytest

from services.chat.conversations.searching import pattern, snippet


@pytest.mark.parametrize(
    ("query", "expected"),
    [("鹊桥", "%鹊桥%"), ("100%", r"%100\%%"), ("a_b", r"%a\_b%"), (r"c:\x", r"%c:\\x%"), (r"\%", r"%\\\%%")],
)
def test_every_character_stands_for_itself(query: str, expected: str) -> None:
    assert pattern(query) == expected


def test_a_snippet_is_one_line_and_says_where_there_is_more() -> None:
    assert snippet(" 一\n\n二\t三 ", begins=True, ends=True) == "一 二 三"
    assert snippet("一", begins=False, ends=False) == "…一…"
