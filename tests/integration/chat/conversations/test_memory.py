"""What turns recall and remember: in branches, the same from Redis and from PostgreSQL."""

import asyncio
import random

import asyncpg
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sandbox.ports import free_ports
from services.chat.conversations.conversations import Conversations
from services.chat.conversations.hot import HotWindows, Window
from services.chat.conversations.memory import StoredMemory
from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import ConversationNotFoundError, MessageNotFoundError
from services.chat.ports import Recollection, Remembering
from services.runtime.errors import UnavailableError

NEWEST = Place()


def said(*texts: str, first: int = 0) -> tuple[Message, ...]:
    """A question and an answer in turn; `first` is the number of the first."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(
        Message(roles[n % 2], text, len(text), "o200k_base", number=first + n if first else 0)
        for n, text in enumerate(texts)
    )


async def turn(
    memory: StoredMemory,
    *texts: str,
    user: str = "u",
    conversation: str = "c",
    place: Place = NEWEST,
    state: AnswerState = AnswerState.COMPLETE,
) -> int:
    """A turn at this place: its question and answer, or its answer alone."""
    known = await memory.recall(user, conversation, place)
    messages = said("", *texts)[1:] if len(texts) == 1 else said(*texts)
    return await memory.remember(user, conversation, Remembering("req", place, known, messages, state, "m"))


async def recalled(memory: StoredMemory, place: Place = NEWEST, user: str = "u", conversation: str = "c") -> list[str]:
    return [message.content for message in (await memory.recall(user, conversation, place)).messages]


async def test_a_conversation_is_recalled_whole_and_in_order_from_redis_and_from_postgres(
    memory: StoredMemory, client: redis.asyncio.Redis
) -> None:
    await turn(memory, "一", "二")
    assert await turn(memory, "三", "四") == 4
    hot = await memory.recall("u", "c", NEWEST)
    await client.flushdb()
    cold = await memory.recall("u", "c", NEWEST)
    assert hot == cold == Recollection(said("一", "二", "三", "四", first=1), parent=4, version=4)


async def test_a_conversation_that_does_not_exist_yet_is_empty_and_has_no_messages_to_go_back_to(
    memory: StoredMemory,
) -> None:
    assert await memory.recall("u", "new", NEWEST) == Recollection()
    assert await memory.recall("u", "new", Place(Where.AFTER, 0)) == Recollection()
    for where in (Where.AFTER, Where.REGENERATE, Where.CONTINUE):
        # As of somebody else's, so that nobody can tell the two apart.
        with pytest.raises(ConversationNotFoundError):
            await memory.recall("u", "new", Place(where, 1))


async def test_two_users_with_the_same_id_recall_and_extend_each_their_own(
    memory: StoredMemory, client: redis.asyncio.Redis
) -> None:
    await turn(memory, "秘密", "好的", conversation="default")
    for place in (Place(Where.AFTER, 1), Place(Where.REGENERATE, 2), Place(Where.CONTINUE, 2)):
        with pytest.raises(ConversationNotFoundError):
            await memory.recall("v", "default", place)
    assert await recalled(memory, user="v", conversation="default") == []
    await turn(memory, "别的", "行", user="v", conversation="default")
    await turn(memory, "再说", "嗯", user="v", conversation="default")
    for _ in ("hot", "cold"):
        assert await recalled(memory, conversation="default") == ["秘密", "好的"]
        assert await recalled(memory, user="v", conversation="default") == ["别的", "行", "再说", "嗯"]
        await client.flushdb()


async def test_whose_names_run_together_are_still_two(memory: StoredMemory) -> None:
    await turn(memory, "一", "二", user="ab", conversation="c")
    assert await recalled(memory, user="a", conversation="bc") == []
    assert await recalled(memory, user="ab", conversation="c") == ["一", "二"]


async def test_a_user_who_deletes_a_conversation_leaves_the_others_of_its_id(
    memory: StoredMemory, conversations: Conversations, client: redis.asyncio.Redis
) -> None:
    for user in ("u", "v"):
        await turn(memory, user, "好的", user=user, conversation="default")
    await conversations.delete("u", "default")
    for _ in ("hot", "cold"):
        with pytest.raises(ConversationNotFoundError):
            await memory.recall("u", "default", NEWEST)
        assert await recalled(memory, user="v", conversation="default") == ["v", "好的"]
        await client.flushdb()


async def test_turns_that_end_together_lose_nothing(memory: StoredMemory, client: redis.asyncio.Redis) -> None:
    known = await memory.recall("u", "c", NEWEST)
    news = [Remembering("r", NEWEST, known, said(f"q{n}", f"a{n}"), AnswerState.COMPLETE, "m") for n in range(10)]
    await asyncio.gather(*(memory.remember("u", "c", new) for new in news))
    hot = await recalled(memory)
    await client.flushdb()
    assert hot == await recalled(memory)
    assert sorted(hot) == sorted(text for n in range(10) for text in (f"q{n}", f"a{n}"))
    assert all(hot[i][1:] == hot[i + 1][1:] for i in range(0, 20, 2)), "an exchange was torn apart"


async def test_an_answer_is_written_anew_beside_the_first_and_the_conversation_goes_on_from_it(
    memory: StoredMemory,
) -> None:
    await turn(memory, "一", "二")
    await turn(memory, "三", "四")
    known = await memory.recall("u", "c", Place(Where.REGENERATE, 4))
    assert ([m.content for m in known.messages], [m.content for m in known.asked]) == (["一", "二"], ["三"])
    assert await turn(memory, "四改", place=Place(Where.REGENERATE, 4)) == 5
    assert await recalled(memory) == ["一", "二", "三", "四改"]
    # The first answer is still there to go on from.
    await turn(memory, "五", "六", place=Place(Where.AFTER, 4))
    assert await recalled(memory) == ["一", "二", "三", "四", "五", "六"]


async def test_a_question_is_edited_by_asking_after_what_it_followed(memory: StoredMemory) -> None:
    await turn(memory, "一", "二")
    await turn(memory, "三", "四")
    await turn(memory, "三改", "四改", place=Place(Where.AFTER, 2))
    assert await recalled(memory) == ["一", "二", "三改", "四改"]
    await turn(memory, "一改", "二改", place=Place(Where.AFTER, 0))
    assert await recalled(memory) == ["一改", "二改"]


@pytest.mark.parametrize("cut", [AnswerState.LENGTH, AnswerState.INTERRUPTED])
async def test_an_answer_that_was_cut_short_is_continued_and_regenerated_as_one(
    memory: StoredMemory, cut: AnswerState
) -> None:
    await turn(memory, "一", "二", state=cut)
    await turn(memory, "三", place=Place(Where.CONTINUE, 2))
    assert await recalled(memory) == ["一", "二", "三"]
    known = await memory.recall("u", "c", Place(Where.REGENERATE, 3))
    assert ([m.content for m in known.asked], known.messages, known.parent) == (["一"], (), 1)
    with pytest.raises(MessageNotFoundError):
        await memory.recall("u", "c", Place(Where.CONTINUE, 3))


async def test_what_is_no_answer_is_neither_regenerated_nor_continued_and_the_field_is_named(
    memory: StoredMemory,
) -> None:
    await turn(memory, "一", "二")
    for place, field in (
        (Place(Where.REGENERATE, 1), "regenerate_number"),
        (Place(Where.REGENERATE, 9), "regenerate_number"),
        (Place(Where.CONTINUE, 1), "continue_number"),
        (Place(Where.CONTINUE, 2), "continue_number"),
        (Place(Where.AFTER, 9), "after_number"),
    ):
        with pytest.raises(MessageNotFoundError) as caught:
            await memory.recall("u", "c", place)
        assert list(caught.value.fields) == [field]


async def test_whatever_happens_in_any_order_redis_says_what_postgres_says(
    memory: StoredMemory, client: redis.asyncio.Redis
) -> None:
    """A model of branches in a dictionary, against both stores."""
    choose = random.Random(7)  # noqa: S311  # a test's own course
    texts: dict[int, str] = {}
    parents: dict[int, int] = {}
    head = 0

    def branch(number: int) -> list[str]:
        found = []
        while number:
            found.append(texts[number])
            number = parents[number]
        return found[::-1]

    for step in range(120):
        answers = [number for number in texts if texts[number].startswith("a")]
        kind = choose.choice(["newest", "newest", "after", "regenerate"])
        if kind == "regenerate" and answers:
            number = choose.choice(answers)
            last = await turn(memory, f"a{step}", place=Place(Where.REGENERATE, number))
            texts[last], parents[last] = f"a{step}", parents[number]
        else:
            place = Place(Where.AFTER, choose.choice([0, *answers])) if kind == "after" else NEWEST
            last = await turn(memory, f"q{step}", f"a{step}", place=place)
            texts[last - 1], texts[last] = f"q{step}", f"a{step}"
            parents[last - 1], parents[last] = (head if place == NEWEST else place.number), last - 1
        head = last
        if step % 3 == 0:
            await client.flushdb()
        assert await recalled(memory) == branch(head)
    await client.flushdb()
    for number in answers[-20:]:
        assert await recalled(memory, Place(Where.AFTER, number)) == branch(number)


async def test_a_long_conversation_is_recalled_from_its_end_and_the_same_from_both_stores(
    memory: StoredMemory, client: redis.asyncio.Redis
) -> None:
    for n in range(6):
        await turn(memory, f"{n}" * 60_000, f"{n}" * 10)
    hot = await recalled(memory)
    await client.flushdb()
    assert hot == await recalled(memory)
    # The message that passes the bound is the first.
    assert [text[0] for text in hot] == list("1122334455")
    for n in range(130):
        await turn(memory, f"q{n}", f"a{n}", conversation="long")
    hot = await recalled(memory, conversation="long")
    await client.flushdb()
    assert hot == await recalled(memory, conversation="long")
    assert (len(hot), hot[-1]) == (200, "a129")


async def test_a_deleted_conversation_stays_deleted_also_for_a_turn_that_ends_later(
    memory: StoredMemory, conversations: Conversations
) -> None:
    await turn(memory, "一", "二")
    known = await memory.recall("u", "c", NEWEST)
    await conversations.delete("u", "c")
    with pytest.raises(ConversationNotFoundError):
        await memory.recall("u", "c", NEWEST)
    new = Remembering("req", NEWEST, known, said("三", "四"), AnswerState.COMPLETE, "m")
    with pytest.raises(ConversationNotFoundError):
        await memory.remember("u", "c", new)


async def test_a_copy_that_is_put_after_the_conversation_was_deleted_is_not_read(
    memory: StoredMemory, conversations: Conversations, hot: HotWindows
) -> None:
    await turn(memory, "一", "二")
    await conversations.delete("u", "c")
    await hot.put("u", "c", 4, window("一", "二", "三", "四"))
    with pytest.raises(ConversationNotFoundError):
        await memory.recall("u", "c", NEWEST)


async def test_while_redis_is_away_nothing_is_deleted_that_could_come_back(
    pool: "asyncpg.Pool[asyncpg.Record]", memory: StoredMemory
) -> None:
    await turn(memory, "一", "二")
    nowhere = redis.asyncio.Redis(port=free_ports(1)[0], retry=Retry(NoBackoff(), 0))
    with pytest.raises(UnavailableError):
        await Conversations(pool, HotWindows(nowhere, ttl_s=60, tokens_max=1000)).delete("u", "c")
    assert await recalled(memory) == ["一", "二"]
    await nowhere.aclose()


async def test_redis_that_holds_rubbish_or_is_gone_costs_nothing_but_time(
    pool: "asyncpg.Pool[asyncpg.Record]", memory: StoredMemory, client: redis.asyncio.Redis
) -> None:
    await turn(memory, "一", "二")
    await client.hset("{chat:hot}:c:u/c", mapping={"version": "9", "window": "rubbish"})
    assert await recalled(memory) == ["一", "二"]
    nowhere = redis.asyncio.Redis(port=free_ports(1)[0], retry=Retry(NoBackoff(), 0))
    alone = StoredMemory(pool, HotWindows(nowhere, ttl_s=60, tokens_max=1000))
    await turn(alone, "三", "四")
    assert await recalled(alone) == ["一", "二", "三", "四"]
    await nowhere.aclose()


def window(*texts: str) -> Window:
    return Window(len(texts), said(*texts, first=1))


async def test_an_old_copy_never_replaces_a_newer_one(hot: HotWindows) -> None:
    await hot.put("u", "c", 4, window("一", "二", "三", "四"))
    await hot.put("u", "c", 2, window("一", "二"))
    assert await hot.get("u", "c") == (4, window("一", "二", "三", "四"))


async def weights(client: redis.asyncio.Redis) -> tuple[int, int]:
    """The sum that is kept, and the sum of what is there."""
    total = int(await client.get("{chat:hot}:tokens") or 0)
    copies = [key.decode() for key in await client.keys("{chat:hot}:c:*") if isinstance(key, bytes)]
    each = [int(await client.hget("{chat:hot}:weights", copy.rsplit(":", 1)[1]) or 0) for copy in copies]
    return total, sum(each)


async def test_copies_stay_within_their_weight_and_those_used_longest_ago_go_first(
    client: redis.asyncio.Redis,
) -> None:
    hot = HotWindows(client, ttl_s=60, tokens_max=100)
    for n in range(30):
        await hot.put("u", f"c{n}", 1, window("x" * 9))
        if n == 20:
            await hot.put("u", "c15", 2, window("y" * 9))
        total, there = await weights(client)
        assert total == there <= 100
        # Last use is counted in seconds.
        await client.zadd("{chat:hot}:used", {f"u/c{n}": 1000 + n + (20 if n == 15 else 0)})
    assert await hot.get("u", "c29") is not None
    assert await hot.get("u", "c0") is None


async def test_copies_that_redis_let_go_by_itself_are_not_counted_for_ever(client: redis.asyncio.Redis) -> None:
    hot = HotWindows(client, ttl_s=60, tokens_max=1000)
    await hot.put("u", "old", 1, window("x" * 99))
    await client.delete("{chat:hot}:c:u/old")
    await client.zadd("{chat:hot}:used", {"u/old": 1})
    await hot.put("u", "new", 1, window("x" * 9))
    assert await weights(client) == (10, 10)


async def test_what_is_larger_than_all_copies_may_be_is_not_kept(client: redis.asyncio.Redis) -> None:
    hot = HotWindows(client, ttl_s=60, tokens_max=100)
    await hot.put("u", "c", 1, window("x" * 500))
    assert (await hot.get("u", "c"), await weights(client)) == (None, (0, 0))
