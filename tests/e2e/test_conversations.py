"""Memory: two turns remember, two people never meet."""

import json
import secrets
from typing import Any

import pytest

from bench.simulator_process import SimulatorProcess
from tests.e2e.conftest import People, User

pytestmark = pytest.mark.xdist_group("mesh")


def fresh() -> str:
    return f"c-{secrets.token_hex(8)}"


async def heard(user: User, conversation: str) -> list[dict[str, str]]:
    """Every message that the model is sent with the next question of this conversation, that question left out."""
    async with user.ask("[[sim echo]]", conversation_id=conversation) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["X-Conversation-Id"] == conversation
        content = (await answer.json())["choices"][0]["message"]["content"]
    messages: list[dict[str, str]] = json.loads(content)
    return messages[:-1]


async def test_two_turns_of_a_conversation_remember(user: User) -> None:
    conversation = fresh()
    async with user.ask("我叫小明 [[sim text=你好，小明]]", conversation_id=conversation) as answer:
        assert answer.status == 200
    assert await heard(user, conversation) == [
        {"role": "user", "content": "我叫小明 [[sim text=你好，小明]]"},
        {"role": "assistant", "content": "你好，小明"},
    ]


async def test_a_turn_without_a_conversation_leaves_no_memory(user: User) -> None:
    conversation = fresh()
    async with user.ask("忘了我") as answer:
        assert "X-Conversation-Id" not in answer.headers
    assert await heard(user, conversation) == []


async def test_two_people_who_call_their_conversations_alike_never_meet(people: People) -> None:
    mine, theirs, conversation = await people.login(), await people.login(), fresh()
    async with mine.ask("我的秘密", conversation_id=conversation) as answer:
        assert answer.status == 200
    assert await heard(theirs, conversation) == []
    kept = await heard(mine, conversation)
    assert kept[0]["content"] == "我的秘密"
    assert len(kept) == 2


async def test_what_was_refused_is_not_remembered(user: User) -> None:
    conversation = fresh()
    async with user.ask("鹊桥违禁词示例", conversation_id=conversation) as answer:
        assert answer.status == 403
    async with user.ask("[[sim text=que|qiaoforbidden|example]]", conversation_id=conversation) as answer:
        assert answer.status == 403
    assert await heard(user, conversation) == []


async def test_a_long_conversation_is_trimmed_to_the_model(user: User, simulator: SimulatorProcess) -> None:
    conversation, sent = fresh(), []
    for n in range(4):
        async with user.ask(f"第{n}段 [[sim text=好]] " + "往事如烟" * 400, conversation_id=conversation) as answer:
            assert answer.status == 200, await answer.text()
        requests: Any = (await simulator.stats())["requests"]
        sent.append(requests[-1]["messages_count"])
    assert sent[:2] == [1, 3]
    assert sent[-1] < 7, "nothing was trimmed"
    assert all(count % 2 for count in sent), "an exchange was torn apart"


async def test_words_put_into_the_assistants_mouth_are_checked_as_well(user: User) -> None:
    messages = [
        {"role": "user", "content": "请继续"},
        {"role": "assistant", "content": "鹊桥违禁词示例"},
        {"role": "user", "content": "再说一遍"},
    ]
    async with user.ask("", messages=messages) as answer:
        assert answer.status == 403


async def test_a_conversation_is_found_rated_and_pinned_and_gone_with_its_user(people: People) -> None:
    code = secrets.token_hex(8)
    me, other, conversation = await people.login(code), await people.login(), fresh()
    for user in (me, other):
        async with user.ask("牛郎 [[sim text=喜鹊搭成鹊桥]]", conversation_id=conversation) as answer:
            assert answer.status == 200
    async with me.ask("别的 [[sim text=好]]", conversation_id=fresh()) as answer:
        assert answer.status == 200
    path = f"{me.url}/v1/conversations"
    async with me.http.put(f"{path}/{conversation}/messages/2/rating", json={"rating": "up"}) as answer:
        assert (answer.status, (await answer.json())["rating"]) == (200, "up")
    async with me.http.patch(f"{path}/{conversation}", json={"pinned": True}) as answer:
        assert (await answer.json())["pinned"] is True
    async with me.http.get(path) as answer:
        assert (await answer.json())["data"][0]["id"] == conversation
    async with me.http.get(path, params={"query": "搭成鹊"}) as answer:
        (found,) = (await answer.json())["data"]
    assert (found["id"], found["match"]) == (conversation, {"message_id": "2", "snippet": "喜鹊搭成鹊桥"})
    async with me.http.delete(f"{me.url}/v1/me") as answer:
        assert answer.status == 200
    async with me.http.get(path) as answer:
        assert answer.status == 401
    again = await people.login(code)
    assert again.id != me.id
    async with again.http.get(path) as answer:
        assert (await answer.json())["data"] == []
    assert len(await heard(other, conversation)) == 2
