"""Answers without their code, however the stream is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.policy.code_filter import CodeFilter

NOTICE = "（代码）"

CASES = [
    ("没有代码。", "没有代码。"),
    ("看：\n```python\nprint(1)\n```\n完。", "看：\n（代码）\n完。"),
    ("```\na\n```\n```\nb\n```", "（代码）\n（代码）\n"),
    ("```\n没有结束", "（代码）\n"),
    ("~~~\na\n```\nb\n~~~\n完", "（代码）\n完"),
    ("````\n```\n里面\n```\n````\n完", "（代码）\n完"),
    ("   ```js\nx\n   ```\n完", "（代码）\n完"),
    ("    ```不是围栏", "    ```不是围栏"),
    ("行内 `代码` 和 ``更多`` 留下", "行内 `代码` 和 ``更多`` 留下"),
    ("``不够\n两个``", "``不够\n两个``"),
    ("```行内` 也不是", "```行内` 也不是"),
    ("```\na\n``` 不是结束\nb\n```\n完", "（代码）\n完"),
    ("\r\n```sh\r\nls\r\n```\r\n完", "\r\n（代码）\n完"),
    ("", ""),
]


def filtered(pieces: list[str]) -> str:
    code_filter = CodeFilter(NOTICE)
    return "".join([*map(code_filter.feed, pieces), code_filter.finish()])


@pytest.mark.parametrize(("text", "shown"), CASES)
def test_code_between_fences_becomes_a_sentence(text: str, shown: str) -> None:
    assert filtered([text]) == shown


@pytest.mark.parametrize(("text", "shown"), CASES)
def test_it_makes_no_difference_where_the_stream_is_cut(text: str, shown: str) -> None:
    assert filtered(list(text)) == shown
    for at in range(len(text)):
        assert filtered([text[:at], text[at:]]) == shown


@given(st.text(st.sampled_from("`~a \n"), max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_any_text_cut_anywhere_is_the_same_as_whole(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert filtered([text[a:b] for a, b in itertools.pairwise(places)]) == filtered([text])


def test_what_is_no_fence_is_shown_at_once() -> None:
    code_filter = CodeFilter(NOTICE)
    assert code_filter.feed("你") == "你"
    assert code_filter.feed("好\n``") == "好\n"
    assert code_filter.feed("x") == "``x"
