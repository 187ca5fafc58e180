"""Which language a client reads."""

import pytest

from services.gateway.edge.languages import language


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "zh-CN"),
        ("", "zh-CN"),
        ("*", "zh-CN"),
        ("fr", "zh-CN"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en;q=0.5, zh;q=0.7", "zh-CN"),
        ("zh;q=0.2,en;q=0.3", "en"),
        ("en;q=0", "zh-CN"),
        ("en;q=nonsense", "zh-CN"),
        ("english", "zh-CN"),
    ],
)
def test_the_language_is_the_callers_best_of_ours(header: str | None, expected: str) -> None:
    assert language(header) == expected
