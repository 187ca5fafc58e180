"""Conversations as their users see them, over real gRPC's servicer and real storage."""

import base64
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from queqiao.chat.v1 import chat_pb2

from services.chat.conversations.conversations import Conversations
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import ConversationNotFoundError, RequestConflictError
from services.chat.ports import Recollection, Remembering
from services.runtime.errors import InvalidRequestError
from services.runtime.postgres import postgres_pool
from tests.integration.chat.conversations.conftest import MIGRATIONS


async def turn(memory: StoredMemory, conversation: str, question: str = "牛郎是谁？", user: str = "u") -> None:
    known = await memory.recall(user, conversation, Place())
    messages = (Message(Role.USER, question, 4, "e"), Message(Role.ASSISTANT, "一个放牛的人", 6, "e"))
    await memory.remember(
        user, conversation, Remembering("req_7", Place(), known, messages, AnswerState.COMPLETE, "m-1")
    )


async def create(rpcs: Any, conversation: str = "", title: str = "", user: str = "u") -> chat_pb2.Conversation:
    request = chat_pb2.CreateConversationRequest(user_id=user, conversation_id=conversation, title=title)
    made: chat_pb2.Conversation = (await rpcs.CreateConversation(request, None)).conversation
    return made


async def listed(rpcs: Any, user: str = "u", size: int = 0) -> list[str]:
    """Every id, page by page."""
    ids: list[str] = []
    token = ""
    while True:
        request = chat_pb2.ListConversationsRequest(user_id=user, page_size=size, page_token=token)
        page = await rpcs.ListConversations(request, None)
        ids += [conversation.id for conversation in page.conversations]
        token = page.next_page_token
        if not token:
            return ids


async def test_a_conversation_is_made_read_renamed_and_deleted(rpcs: Any) -> None:
    made = await create(rpcs, "c1", " 七夕 ")
    assert (made.id, made.title, made.message_count, made.newest_number) == ("c1", "七夕", 0, 0)
    request = chat_pb2.UpdateConversationRequest(user_id="u", conversation_id="c1", title="中秋")
    assert (await rpcs.UpdateConversation(request, None)).conversation.title == "中秋"
    get = chat_pb2.GetConversationRequest(user_id="u", conversation_id="c1")
    assert (await rpcs.GetConversation(get, None)).conversation.title == "中秋"
    await rpcs.DeleteConversation(chat_pb2.DeleteConversationRequest(user_id="u", conversation_id="c1"), None)
    assert await listed(rpcs) == []
    with pytest.raises(ConversationNotFoundError):
        await rpcs.GetConversation(get, None)
    with pytest.raises(RequestConflictError):
        await create(rpcs, "c1")


async def test_an_id_is_made_up_when_none_is_given(rpcs: Any) -> None:
    assert len({(await create(rpcs)).id for _ in range(3)}) == 3


async def test_the_first_question_makes_the_title_unless_there_is_one(rpcs: Any, memory: StoredMemory) -> None:
    await create(rpcs, "named", "我的标题")
    for conversation in ("named", "new"):
        await turn(memory, conversation)
        await turn(memory, conversation, "另一个问题")
    titles = {
        conversation.id: conversation.title
        for conversation in (
            await rpcs.ListConversations(chat_pb2.ListConversationsRequest(user_id="u"), None)
        ).conversations
    }
    assert titles == {"named": "我的标题", "new": "牛郎是谁？"}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_give_every_conversation_once_the_one_used_last_first(
    rpcs: Any, memory: StoredMemory, size: int
) -> None:
    for n in range(7):
        await turn(memory, f"c{n}")
    await turn(memory, "c3")
    assert await listed(rpcs, size=size) == ["c3", "c6", "c5", "c4", "c2", "c1", "c0"]


async def test_a_conversation_that_is_made_while_a_list_is_read_disturbs_nothing(
    rpcs: Any, memory: StoredMemory
) -> None:
    for n in range(4):
        await turn(memory, f"c{n}")
    first = await rpcs.ListConversations(chat_pb2.ListConversationsRequest(user_id="u", page_size=2), None)
    await turn(memory, "late")
    rest = await rpcs.ListConversations(
        chat_pb2.ListConversationsRequest(user_id="u", page_size=9, page_token=first.next_page_token), None
    )
    assert [c.id for c in (*first.conversations, *rest.conversations)] == ["c3", "c2", "c1", "c0"]


async def pin(rpcs: Any, conversation: str, *, pinned: bool = True) -> chat_pb2.Conversation:
    request = chat_pb2.UpdateConversationRequest(user_id="u", conversation_id=conversation, pinned=pinned)
    changed: chat_pb2.Conversation = (await rpcs.UpdateConversation(request, None)).conversation
    return changed


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pinned_conversations_stand_first_on_pages_of_any_size_and_unpinned_ones_where_they_were_used(
    rpcs: Any, memory: StoredMemory, size: int
) -> None:
    for n in range(6):
        await turn(memory, f"c{n}")
    for name in ("c4", "c1"):
        assert (await pin(rpcs, name)).pinned
    assert await listed(rpcs, size=size) == ["c4", "c1", "c5", "c3", "c2", "c0"]
    await turn(memory, "c1")
    assert await listed(rpcs, size=size) == ["c1", "c4", "c5", "c3", "c2", "c0"]
    assert not (await pin(rpcs, "c4", pinned=False)).pinned
    assert await listed(rpcs, size=size) == ["c1", "c5", "c4", "c3", "c2", "c0"]


async def test_a_new_title_leaves_the_pin_and_a_pin_the_title(rpcs: Any) -> None:
    await create(rpcs, "c", "旧")
    assert (await pin(rpcs, "c")).title == "旧"
    request = chat_pb2.UpdateConversationRequest(user_id="u", conversation_id="c", title="新")
    changed = (await rpcs.UpdateConversation(request, None)).conversation
    assert (changed.title, changed.pinned) == ("新", True)


async def test_messages_are_listed_by_number_with_what_each_follows(rpcs: Any, memory: StoredMemory) -> None:
    await turn(memory, "c")
    await turn(memory, "c", "织女呢？")
    found: list[chat_pb2.StoredMessage] = []
    token = ""
    while True:
        request = chat_pb2.ListMessagesRequest(user_id="u", conversation_id="c", page_size=3, page_token=token)
        page = await rpcs.ListMessages(request, None)
        found += page.messages
        token = page.next_page_token
        if not token:
            break
    assert [(m.number, m.parent_number, m.role) for m in found] == [(1, 0, 2), (2, 1, 3), (3, 2, 2), (4, 3, 3)]
    answer = found[1]
    assert (answer.content, answer.state, answer.request_id, answer.model) == (
        "一个放牛的人",
        chat_pb2.ANSWER_STATE_COMPLETE,
        "req_7",
        "m-1",
    )
    assert found[0].state == chat_pb2.ANSWER_STATE_UNSPECIFIED


async def test_a_page_of_large_messages_ends_early_and_the_next_goes_on(rpcs: Any, memory: StoredMemory) -> None:
    known, large = Recollection(), Message(Role.USER, "字" * 300_000)
    for _ in range(6):
        new = Remembering("r", Place(), known, (large, Message(Role.ASSISTANT, "好")), AnswerState.COMPLETE, "m")
        await memory.remember("u", "large", new)
    numbers: list[list[int]] = []
    token = ""
    while token or not numbers:
        request = chat_pb2.ListMessagesRequest(user_id="u", conversation_id="large", page_size=20, page_token=token)
        page = await rpcs.ListMessages(request, None)
        assert page.ByteSize() < 4_000_000
        numbers.append([message.number for message in page.messages])
        token = page.next_page_token
    assert [number for page in numbers for number in page] == list(range(1, 13))
    assert len(numbers) > 1


async def test_nobody_reads_lists_renames_or_deletes_what_is_anothers(rpcs: Any, memory: StoredMemory) -> None:
    await turn(memory, "default", "我的秘密")
    other: Any = {"user_id": "v", "conversation_id": "default"}
    for call in (
        rpcs.GetConversation(chat_pb2.GetConversationRequest(**other), None),
        rpcs.UpdateConversation(chat_pb2.UpdateConversationRequest(**other, title="mine"), None),
        rpcs.DeleteConversation(chat_pb2.DeleteConversationRequest(**other), None),
        rpcs.ListMessages(chat_pb2.ListMessagesRequest(**other), None),
    ):
        with pytest.raises(ConversationNotFoundError):
            await call
    assert await listed(rpcs, "v") == []
    assert await listed(rpcs) == ["default"]


async def test_two_users_with_the_same_id_see_each_only_their_own(
    rpcs: Any, memory: StoredMemory, conversations: Conversations, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    for user in ("u", "v"):
        await create(rpcs, "default", f"of {user}", user=user)
        await turn(memory, "default", f"问 {user}", user)
    for user in ("u", "v"):
        assert await listed(rpcs, user) == ["default"]
        asked: Any = {"user_id": user, "conversation_id": "default"}
        found = (await rpcs.GetConversation(chat_pb2.GetConversationRequest(**asked), None)).conversation
        assert (found.title, found.message_count) == (f"of {user}", 2)
        messages = (await rpcs.ListMessages(chat_pb2.ListMessagesRequest(**asked), None)).messages
        assert messages[0].content == f"问 {user}"
    await rpcs.UpdateConversation(
        chat_pb2.UpdateConversationRequest(user_id="u", conversation_id="default", title="new"), None
    )
    await conversations.delete("u", "default")
    await pool.execute("UPDATE conversations SET deleted_at = now() - interval '31 days' WHERE user_id = 'u'")
    assert await conversations.purge(30) == 1
    left = await rpcs.GetConversation(chat_pb2.GetConversationRequest(user_id="v", conversation_id="default"), None)
    assert (left.conversation.title, left.conversation.message_count) == ("of v", 2)
    assert [row["user_id"] for row in await pool.fetch("SELECT user_id FROM messages")] == ["v", "v"]


LATE = base64.b64encode(b"0.99999999999999999999.c").decode()
WITHOUT_PIN = base64.b64encode(b"1700000000000000.c").decode()


@pytest.mark.parametrize(
    ("rpc", "fields", "wrong"),
    [
        ("ListConversations", {"user_id": ""}, "user_id"),
        ("ListConversations", {"page_size": 101}, "page_size"),
        ("ListConversations", {"page_size": -1}, "page_size"),
        ("ListConversations", {"page_token": "x"}, "page_token"),
        ("ListConversations", {"page_token": LATE}, "page_token"),
        ("ListConversations", {"page_token": WITHOUT_PIN}, "page_token"),
        ("SearchConversations", {"query": " "}, "query"),
        ("SearchConversations", {"query": "x" * 65}, "query"),
        ("SearchConversations", {"query": "a\nb"}, "query"),
        ("SearchConversations", {"query": "a", "page_size": 101}, "page_size"),
        ("UpdateConversation", {"conversation_id": "c"}, "title"),
        ("ListConversations", {"page_token": "MS4="}, "page_token"),
        ("GetConversation", {"conversation_id": "no/slash"}, "conversation_id"),
        ("CreateConversation", {"title": "x" * 101}, "title"),
        ("UpdateConversation", {"conversation_id": "c", "title": " "}, "title"),
        ("UpdateConversation", {"conversation_id": "c", "title": "a\nb"}, "title"),
        ("ListMessages", {"conversation_id": "c", "page_token": "-1"}, "page_token"),
        ("ListMessages", {"conversation_id": "c", "page_size": 201}, "page_size"),
    ],
)
async def test_what_breaks_a_rule_is_refused_and_the_field_is_named(
    rpcs: Any, rpc: str, fields: dict[str, object], wrong: str
) -> None:
    request = getattr(chat_pb2, f"{rpc}Request")(**{"user_id": "u", **fields})
    with pytest.raises(InvalidRequestError) as caught:
        await getattr(rpcs, rpc)(request, None)
    assert list(caught.value.fields) == [wrong]


async def test_what_was_deleted_long_ago_is_purged_and_its_id_stays_taken(
    rpcs: Any, memory: StoredMemory, conversations: Conversations, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    for name in ("old", "new", "living"):
        await turn(memory, name)
    await conversations.delete("u", "old")
    await conversations.delete("u", "new")
    await pool.execute("UPDATE conversations SET deleted_at = now() - interval '31 days' WHERE id = 'old'")
    assert await conversations.purge(30) == 1
    assert await conversations.purge(30) == 0
    left = {row[0] for row in await pool.fetch("SELECT DISTINCT conversation_id FROM messages")}
    assert left == {"new", "living"}
    with pytest.raises(RequestConflictError):
        await create(rpcs, "old")
    with pytest.raises(ConversationNotFoundError):
        await memory.recall("u", "old", Place())


async def test_what_was_written_before_there_were_branches_is_one_branch(
    database_url: str, tmp_path: Path, client: redis.asyncio.Redis
) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    shutil.copy(MIGRATIONS / "0001_conversations.sql", before)
    async with postgres_pool(database_url, schema="chat", migrations=before, connections_max=1) as old:
        await old.execute("INSERT INTO conversations (id, user_id, message_count) VALUES ('c', 'u', 4)")
        for number, role in enumerate(("user", "assistant") * 2, start=1):
            await old.execute(
                "INSERT INTO messages (conversation_id, number, role, content, tokens, encoding) "
                "VALUES ('c', $1, $2, $3, 1, 'e')",
                number,
                role,
                f"m{number}",
            )
    async with postgres_pool(database_url, schema="chat", migrations=MIGRATIONS, connections_max=1) as pool:
        memory = StoredMemory(pool, HotWindows(client, ttl_s=60, tokens_max=1000))
        known = await memory.recall("u", "c", Place())
        assert [message.content for message in known.messages] == ["m1", "m2", "m3", "m4"]
        assert (await memory.recall("u", "c", Place(Where.REGENERATE, 4))).parent == 3


async def test_what_was_written_when_ids_were_shared_is_its_users_own(
    database_url: str, tmp_path: Path, client: redis.asyncio.Redis
) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    for file in sorted(MIGRATIONS.glob("000[123]_*.sql")):
        shutil.copy(file, before)
    async with postgres_pool(database_url, schema="chat", migrations=before, connections_max=1) as old:
        for user, conversation in (("u", "c"), ("v", "d")):
            await old.execute(
                "INSERT INTO conversations (id, user_id, message_count, head) VALUES ($1, $2, 2, 2)", conversation, user
            )
            for number, role in enumerate(("user", "assistant"), start=1):
                await old.execute(
                    "INSERT INTO messages (conversation_id, number, parent, role, content, model, tokens, encoding) "
                    "VALUES ($1, $2, $2 - 1, $3, $4, 'm', 1, 'e')",
                    conversation,
                    number,
                    role,
                    f"{user}{number}",
                )
            await old.execute("INSERT INTO summaries VALUES ($1, 2, $2, 1, 'e')", conversation, f"sum {user}")
    async with postgres_pool(database_url, schema="chat", migrations=MIGRATIONS, connections_max=1) as pool:
        memory = StoredMemory(pool, HotWindows(client, ttl_s=60, tokens_max=1000))
        for user, conversation in (("u", "c"), ("v", "d")):
            known = await memory.recall(user, conversation, Place())
            assert [message.content for message in known.messages] == [f"{user}1", f"{user}2"]
            assert known.summary is not None
            assert known.summary.content == f"sum {user}"
        assert await memory.recall("u", "d", Place()) == Recollection()
