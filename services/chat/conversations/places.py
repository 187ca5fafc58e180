"""What of a conversation a turn is sent, by where in it the turn takes place. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import MessageNotFoundError
from services.chat.ports import Recollection

# The proto's field of each place that names a message.
_FIELDS = {
    Where.AFTER: "after_number",
    Where.REGENERATE: "regenerate_number",
    Where.CONTINUE: "continue_number",
}

_UNFINISHED = frozenset({AnswerState.LENGTH, AnswerState.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Node:
    """A message on a branch; `state` is None for what is no answer."""

    message: Message
    state: AnswerState | None = None


def recollect(path: Sequence[Node], place: Place, version: int, summary: Message | None) -> Recollection:
    """What a turn is sent, of the messages that lead to where it takes place, oldest first.

    Raises:
        MessageNotFoundError: The message that is named is not there, or no answer that this can be done with.
    """
    if not path and (place.number or place.where in (Where.REGENERATE, Where.CONTINUE)):
        raise not_found(place)
    match place.where:
        case Where.REGENERATE:
            known = _before_answer(path, place)
        case Where.CONTINUE:
            if path[-1].message.role is not Role.ASSISTANT or path[-1].state not in _UNFINISHED:
                raise not_found(place, "is no answer that was cut short")
            known = Recollection(_messages(path), parent=path[-1].message.number)
        case _:
            known = Recollection(_messages(path), parent=path[-1].message.number if path else 0)
    return replace(known, summary=summary, version=version)


def not_found(place: Place, why: str = "names no message") -> MessageNotFoundError:
    """The error about the message that a place names."""
    return MessageNotFoundError(
        "This conversation has no such message, or none that this can be done with.",
        fields={_FIELDS.get(place.where, "conversation_id"): why},
    )


def _before_answer(path: Sequence[Node], place: Place) -> Recollection:
    """What led to an answer, and what it answered, apart."""
    answer = len(path)
    # An answer and what continues it are one.
    while answer and path[answer - 1].message.role is Role.ASSISTANT:
        answer -= 1
    question = answer
    while question and path[question - 1].message.role is not Role.ASSISTANT:
        question -= 1
    if answer == len(path) or question == answer:
        raise not_found(place, "is no answer to anything")
    asked = _messages(path[question:answer])
    return Recollection(_messages(path[:question]), asked=asked, parent=asked[-1].number)


def _messages(nodes: Sequence[Node]) -> tuple[Message, ...]:
    return tuple(node.message for node in nodes)
