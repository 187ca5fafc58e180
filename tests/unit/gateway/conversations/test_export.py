"""Which messages of a conversation a document has."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.chat.domain import Role
from services.gateway.conversations.domain import ConversationMessage
from services.gateway.conversations.export import newest_branch


def message(number: int, parent: int) -> ConversationMessage:
    role = Role.USER if number % 2 else Role.ASSISTANT
    return ConversationMessage(number, parent, role, str(number), "", "", "", "", 0)


def test_of_answers_written_anew_only_the_last_is_there() -> None:
    messages = [message(1, 0), message(2, 1), message(3, 1), message(4, 3)]
    assert [each.number for each in newest_branch(messages, 4)] == [1, 3, 4]
    assert [each.number for each in newest_branch(messages, 2)] == [1, 2]
    assert newest_branch(messages, 0) == []


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(0, 31))
def test_any_tree_gives_one_line_from_old_to_new_and_ends(parents: list[int], newest: int) -> None:
    branch = newest_branch([message(number, parent) for number, parent in enumerate(parents, start=1)], newest)
    numbers = [each.number for each in branch]
    assert numbers == sorted(set(numbers))
