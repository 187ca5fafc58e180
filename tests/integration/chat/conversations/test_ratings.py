"""What users think of answers, on real PostgreSQL."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from queqiao.chat.v1 import chat_pb2

from services.chat.conversations.conversations import Conversations
from services.chat.conversations.memory import StoredMemory
from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import MessageNotFoundError
from services.chat.ports import Remembering
from services.runtime.errors import InvalidRequestError

UP, DOWN, NONE = chat_pb2.RATING_UP, chat_pb2.RATING_DOWN, chat_pb2.RATING_UNSPECIFIED


@pytest.fixture(autouse=True)
async def talk(memory: StoredMemory) -> None:
    """A conversation of a question and two answers, of two models."""
    for place, model in ((Place(), "m-1"), (Place(Where.REGENERATE, 2), "m-2")):
        known = await memory.recall("u", "c", place)
        messages = (Message(Role.USER, "问", 1, "e"), Message(Role.ASSISTANT, "答", 1, "e"))[bool(known.asked) :]
        await memory.remember("u", "c", Remembering("r", place, known, messages, AnswerState.COMPLETE, model))


async def rate(rpcs: Any, number: int, rating: int, user: str = "u", conversation: str = "c") -> chat_pb2.StoredMessage:
    request = chat_pb2.RateMessageRequest(user_id=user, conversation_id=conversation, number=number)
    request.rating = rating  # type: ignore[assignment]  # also one that there is not
    rated: chat_pb2.StoredMessage = (await rpcs.RateMessage(request, None)).message
    return rated


async def ratings_listed(rpcs: Any) -> list[int]:
    page = await rpcs.ListMessages(chat_pb2.ListMessagesRequest(user_id="u", conversation_id="c"), None)
    return [message.rating for message in page.messages]


def counted(registry: CollectorRegistry, model: str) -> dict[str, float]:
    found = {
        rating: registry.get_sample_value("queqiao_ratings_total", {"model": model, "rating": rating})
        for rating in ("up", "down", "none")
    }
    return {rating: value for rating, value in found.items() if value is not None}


async def test_an_answer_is_rated_rated_again_and_taken_back_and_the_list_says_so(
    rpcs: Any, registry: CollectorRegistry
) -> None:
    rated = await rate(rpcs, 2, UP)
    assert (rated.number, rated.rating, rated.content, rated.model) == (2, UP, "答", "m-1")
    await rate(rpcs, 3, DOWN)
    assert await ratings_listed(rpcs) == [NONE, UP, DOWN]
    await rate(rpcs, 2, DOWN)
    await rate(rpcs, 3, NONE)
    assert await ratings_listed(rpcs) == [NONE, DOWN, NONE]
    assert counted(registry, "m-1") == {"up": 1, "down": 1}
    assert counted(registry, "m-2") == {"down": 1, "none": 1}


async def test_the_same_rating_again_changes_and_counts_nothing(rpcs: Any, registry: CollectorRegistry) -> None:
    for _ in range(3):
        await rate(rpcs, 2, UP)
    await rate(rpcs, 3, NONE)
    assert (counted(registry, "m-1"), counted(registry, "m-2")) == ({"up": 1}, {})


async def test_what_is_no_answer_of_the_users_own_cannot_be_rated(rpcs: Any, conversations: Conversations) -> None:
    for number, user, conversation in ((1, "u", "c"), (9, "u", "c"), (2, "v", "c"), (2, "u", "other")):
        with pytest.raises(MessageNotFoundError):
            await rate(rpcs, number, UP, user, conversation)
    await conversations.delete("u", "c")
    with pytest.raises(MessageNotFoundError):
        await rate(rpcs, 2, UP)


@pytest.mark.parametrize(("number", "rating", "wrong"), [(0, UP, "number"), (-1, UP, "number"), (2, 7, "rating")])
async def test_what_breaks_a_rule_is_refused(rpcs: Any, number: int, rating: int, wrong: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await rate(rpcs, number, rating)
    assert list(caught.value.fields) == [wrong]
