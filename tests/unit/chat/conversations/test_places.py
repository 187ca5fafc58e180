"""Where in a conversation a turn takes place, and what it is sent there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.conversations.places import Node, recollect
from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import MessageNotFoundError

ROLES = {"u": Role.USER, "a": Role.ASSISTANT, "t": Role.TOOL}


def path(shape: str) -> list[Node]:
    """A branch, a letter a message: u a question, a an answer, t a tool's result, A an answer that was cut short."""
    return [
        Node(
            Message(ROLES[letter.lower()], f"{letter}{number}", number=number),
            {"a": AnswerState.COMPLETE, "A": AnswerState.LENGTH}.get(letter),
        )
        for number, letter in enumerate(shape, start=1)
    ]


@pytest.mark.parametrize(
    ("shape", "before", "asked"),
    [("ua", "", "u"), ("uaua", "ua", "u"), ("uuta", "", "uut"), ("uAa", "", "u"), ("uata", "ua", "t")],
)
def test_an_answer_is_regenerated_from_what_it_answered(shape: str, before: str, asked: str) -> None:
    known = recollect(path(shape), Place(Where.REGENERATE, len(shape)), 9, None)
    assert [message.content[0] for message in known.messages] == list(before)
    assert [message.content[0] for message in known.asked] == list(asked)
    assert (known.parent, known.version) == (known.asked[-1].number, 9)


@pytest.mark.parametrize("shape", ["u", "a", "aa", "uau"])
def test_what_is_no_answer_to_anything_is_not_regenerated(shape: str) -> None:
    with pytest.raises(MessageNotFoundError):
        recollect(path(shape), Place(Where.REGENERATE, len(shape)), 9, None)


@pytest.mark.parametrize(("shape", "possible"), [("uA", True), ("uaA", True), ("ua", False), ("uu", False)])
def test_only_an_answer_that_was_cut_short_is_continued(shape: str, possible: bool) -> None:
    place = Place(Where.CONTINUE, len(shape))
    if not possible:
        with pytest.raises(MessageNotFoundError):
            recollect(path(shape), place, 9, None)
        return
    known = recollect(path(shape), place, 9, None)
    assert (len(known.messages), known.parent, known.asked) == (len(shape), len(shape), ())


@given(st.text("uatA", max_size=12))
def test_what_is_sent_and_what_is_asked_again_are_the_branch_in_its_order(shape: str) -> None:
    for where in (Where.NEWEST, Where.AFTER, Where.REGENERATE, Where.CONTINUE):
        place = Place(where, len(shape) if where is not Where.NEWEST else 0)
        try:
            known = recollect(path(shape), place, 9, None)
        except MessageNotFoundError:
            assert where in (Where.REGENERATE, Where.CONTINUE)
            continue
        numbers = [message.number for message in (*known.messages, *known.asked)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert known.parent == (numbers[-1] if numbers else 0)
