"""Titles from first questions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.conversations.titles import title


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("牛郎是谁？织女又是谁？", "牛郎是谁？"),
        ("讲个故事。要短一点。", "讲个故事"),
        ("  What is\n a bridge? Tell me.", "What is a bridge?"),
        ("## 周报\n请帮我写", "周报 请帮我写"),
        ("```python\nprint(1)\n```\n这段代码做什么", "这段代码做什么"),
        ("帮我写一封邮件给导师，" * 4, "帮我写一封邮件给导师，帮我写一封邮件给导师…"),
        ("字" * 40, "字" * 29 + "…"),
        ("How do I install version 3.11 of Python", "How do I install version…"),
        ("```\n```", "``` ```"),
        ("   ", ""),
        ("", ""),
    ],
)
def test_a_title_is_the_first_sentence_or_the_beginning_of_it(question: str, expected: str) -> None:
    assert title(question) == expected


@given(st.text(max_size=300))
def test_a_title_is_short_and_on_one_line(question: str) -> None:
    made = title(question)
    assert len(made) <= 30
    assert made == made.strip()
    assert not any(character in made for character in "\n\r\t\x00")
