"""Finding conversations by their titles and by what was said in them, on real PostgreSQL."""

from typing import Any

import asyncpg
import pytest
from queqiao.chat.v1 import chat_pb2

from services.chat.conversations.conversations import Conversations
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.conversations.ratings import Ratings
from services.chat.domain import AnswerState, Message, Place, Role
from services.chat.ports import Remembering
from services.runtime.errors import UnavailableError
from tests.integration.chat.conversations.conftest import Rpcs


async def say(memory: StoredMemory, conversation: str, question: str, answer: str = "好", user: str = "u") -> None:
    known = await memory.recall(user, conversation, Place())
    messages = (Message(Role.USER, question, 1, "e"), Message(Role.ASSISTANT, answer, 1, "e"))
    await memory.remember(user, conversation, Remembering("r", Place(), known, messages, AnswerState.COMPLETE, "m"))


async def found(rpcs: Any, query: str, user: str = "u", size: int = 0) -> list[chat_pb2.ConversationMatch]:
    """Every match, page by page."""
    matches: list[chat_pb2.ConversationMatch] = []
    token = ""
    while True:
        request = chat_pb2.SearchConversationsRequest(user_id=user, query=query, page_size=size, page_token=token)
        page = await rpcs.SearchConversations(request, None)
        matches += page.matches
        token = page.next_page_token
        if not token:
            return matches


async def ids(rpcs: Any, query: str, user: str = "u", size: int = 0) -> list[str]:
    return [match.conversation.id for match in await found(rpcs, query, user, size)]


async def test_chinese_is_found_in_questions_answers_and_titles_and_only_its_users_own(
    rpcs: Any, memory: StoredMemory, conversations: Conversations
) -> None:
    await say(memory, "asked", "请问七夕的鹊桥是谁搭的？")
    await say(memory, "answered", "传说？", "喜鹊搭成鹊桥。")
    await say(memory, "other", "别的")
    await conversations.create("u", "titled", "关于鹊桥")
    await say(memory, "theirs", "鹊桥", user="v")
    await say(memory, "gone", "鹊桥")
    await conversations.delete("u", "gone")
    assert await ids(rpcs, "鹊桥") == ["titled", "answered", "asked"]
    assert await ids(rpcs, "桥是谁") == ["asked"]
    assert await ids(rpcs, "鹊桥", user="v") == ["theirs"]
    assert await ids(rpcs, "没有人说过") == []


async def test_case_does_not_matter_and_what_is_special_to_the_database_is_ordinary(
    rpcs: Any, memory: StoredMemory
) -> None:
    for name, text in (
        ("percent", "全场 100% 折扣"),
        ("plain", "全场 1000 折扣"),
        ("under", "user_name"),
        ("letters", "userXname"),
        ("slash", "C:\\temp"),
        ("quote", "it's'); DROP TABLE messages; --"),
    ):
        await say(memory, name, text)
    assert await ids(rpcs, "100%") == ["percent"]
    assert await ids(rpcs, "USER_NAME") == ["under"]
    assert await ids(rpcs, "c:\\TEMP") == ["slash"]
    assert await ids(rpcs, "'); drop table") == ["quote"]
    assert await ids(rpcs, "%") == ["percent"]


async def test_the_newest_message_is_quoted_with_the_words_around_it(rpcs: Any, memory: StoredMemory) -> None:
    await say(memory, "c", "鹊桥", "第一次说鹊桥")
    await say(memory, "c", "然后呢", "前" * 100 + "\n\n在 鹊桥 上" + "后" * 300)
    (match,) = await found(rpcs, "鹊桥")
    quote = match.quote
    assert (quote.number, quote.is_answer, quote.has_code) == (4, True, False)
    assert quote.snippet.startswith("…前前")
    assert "前 在 鹊桥 上后" in quote.snippet
    assert quote.snippet.endswith("后…")
    assert len(quote.snippet) <= 122
    (short,) = await found(rpcs, "然后")
    assert short.quote.snippet == "然后呢"
    (question,) = await found(rpcs, "然后")
    assert not question.quote.is_answer


async def test_what_only_the_title_has_is_quoted_from_no_message(rpcs: Any, memory: StoredMemory) -> None:
    await say(memory, "c", "牛郎是谁？")
    await rpcs.UpdateConversation(
        chat_pb2.UpdateConversationRequest(user_id="u", conversation_id="c", title="七夕"), None
    )
    (match,) = await found(rpcs, "七夕")
    assert not match.HasField("quote")


@pytest.mark.parametrize(
    ("text", "has_code"),
    [("看：\n```python\nx = 1\n```", True), ("~~~\nx = 1\n~~~", True), ("`x = 1` 这样", False), ("x = 1", False)],
)
async def test_it_is_said_whether_the_message_has_blocks_of_code(
    rpcs: Any, memory: StoredMemory, text: str, has_code: bool
) -> None:
    await say(memory, "c", "怎么写", text)
    (match,) = await found(rpcs, "x = 1")
    assert match.quote.has_code is has_code


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_of_any_size_give_every_match_once_in_the_order_of_the_list(
    rpcs: Any, memory: StoredMemory, size: int
) -> None:
    for n in range(6):
        await say(memory, f"c{n}", "鹊桥" if n != 2 else "别的")
    await rpcs.UpdateConversation(
        chat_pb2.UpdateConversationRequest(user_id="u", conversation_id="c1", pinned=True), None
    )
    assert await ids(rpcs, "鹊桥", size=size) == ["c1", "c5", "c4", "c3", "c0"]


async def test_texts_are_searched_within_a_bound_and_titles_beyond_it(
    memory: StoredMemory, ratings: Ratings, pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows
) -> None:
    rpcs = Rpcs(Conversations(pool, hot, searched_max=3), ratings)
    for n in range(4):
        await say(memory, f"c{n}", f"标题{n}", "鹊桥")
    # Two conversations of two messages reach the bound.
    assert await ids(rpcs, "鹊桥") == ["c3", "c2"]
    assert await ids(rpcs, "标题0") == ["c0"]


async def test_a_search_that_takes_too_long_is_given_up(
    memory: StoredMemory, pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows
) -> None:
    conversations = Conversations(pool, hot, search_s_max=0.2)
    await say(memory, "c", "鹊桥")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(UnavailableError):
            await conversations.search("u", "鹊桥", None, 20)
    assert (await conversations.search("u", "鹊桥", None, 20)).items
