import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.directive import Behaviour, DirectiveError, behaviour_of, last_user_text, text_of

DEFAULT = Behaviour(deltas=5, first_ms=7, interval_ms=9)


def test_a_question_without_a_directive_is_answered_as_usual() -> None:
    assert behaviour_of("你好 [sim] [[simple]] sim deltas=3", DEFAULT) == DEFAULT


def test_an_empty_directive_changes_nothing() -> None:
    assert behaviour_of("[[sim]] [[sim ]]", DEFAULT) == DEFAULT


def test_a_directive_changes_what_it_names_and_nothing_else() -> None:
    found = behaviour_of("你好 [[sim deltas=8 first_ms=0 status=500 retry_after=3 no_usage]] 再见", DEFAULT)
    assert found == Behaviour(deltas=8, first_ms=0, interval_ms=9, status=500, retry_after_s=3, no_usage=True)


def test_only_the_first_directive_counts() -> None:
    assert behaviour_of("[[sim deltas=1]] [[sim deltas=2]]", DEFAULT).deltas == 1


def test_a_text_may_hold_spaces_in_quotes_and_an_equals_sign() -> None:
    assert behaviour_of('[[sim text="一 二=三" echo]]', DEFAULT).text == "一 二=三"
    assert behaviour_of("[[sim text=a=b]]", DEFAULT).text == "a=b"


@pytest.mark.parametrize(
    ("directive", "hint"),
    [
        ("[[sim delta=3]]", "has no key 'delta'"),
        ("[[sim deltas]]", "write deltas=…"),
        ("[[sim echo=1]]", "without a value"),
        ("[[sim deltas=-1]]", "whole number"),
        ("[[sim deltas=²]]", "whole number"),
        ("[[sim deltas=100001]]", "from 0 to 100000"),
        ("[[sim status=302]]", "400 to 599"),
        ("[[sim deltas=3,first_ms=0]]", "whole number"),
        ("[[sim 你好]]", "write key=value"),
        ('[[sim text="unclosed]]', "write key=value"),
    ],
)
def test_a_directive_that_is_wrong_says_what_to_write(directive: str, hint: str) -> None:
    with pytest.raises(DirectiveError, match=hint):
        behaviour_of(directive, DEFAULT)


@given(st.text())
def test_any_question_is_read_or_refused_as_a_directive(body: str) -> None:
    with contextlib.suppress(DirectiveError):
        assert isinstance(behaviour_of(f"[[sim {body}]]", DEFAULT), Behaviour)


def test_the_last_message_of_the_user_is_the_question() -> None:
    messages: list[dict[str, object]] = [
        {"role": "user", "content": "一"},
        {"role": "user", "content": [{"type": "text", "text": "二"}, {"type": "image_url"}]},
        {"role": "assistant", "content": "三"},
    ]
    assert last_user_text(messages) == "二"
    assert last_user_text([{"role": "system", "content": "一"}]) == ""
    assert text_of(None) == ""


def test_a_directive_may_be_for_one_provider_or_key_alone() -> None:
    question = "[[sim only=a deltas=1]] [[sim only=k2 deltas=2]] [[sim deltas=3]] [[sim only=b deltas=4]]"
    found = [behaviour_of(question, DEFAULT, names).deltas for names in (("a", "k1"), ("b", "k2"), ("b", "k1"), ())]
    assert found == [1, 2, 3, 3]
    assert behaviour_of("[[sim only=a deltas=1]]", DEFAULT, ("b",)) == DEFAULT
