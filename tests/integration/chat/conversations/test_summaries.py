"""Summaries: made of what fell out, kept for the branch they are of, and never in the way."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from services.chat.background import Background
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.conversations.summaries import Summaries
from services.chat.domain import AnswerState, Message, Place, Role, Where
from services.chat.errors import UpstreamError
from services.chat.ports import Remembering


class Model:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Message]] = []
        self.broken = False

    async def ask(self, user_id: str, messages: Sequence[Message]) -> str:
        self.asked.append(messages)
        await asyncio.sleep(0.01)
        if self.broken:
            raise UpstreamError("down")
        return f"摘要{len(self.asked)}"


class Scene:
    """A conversation of six exchanges."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows, memory: StoredMemory) -> None:
        self.model, self.background, self.memory = Model(), Background(), memory
        self.summaries = Summaries(pool, hot, self.model.ask, self.background)

    async def talk(self, exchanges: int, place: Place = Place()) -> None:  # noqa: B008  # frozen
        for _ in range(exchanges):
            known = await self.memory.recall("u", "c", place)
            new = (Message(Role.USER, "问", 1, "e"), Message(Role.ASSISTANT, "答", 1, "e"))
            await self.memory.remember("u", "c", Remembering("r", place, known, new, AnswerState.COMPLETE, "m"))
            place = Place()

    async def fall(self, count: int) -> None:
        """The first messages do not fit any more."""
        known = await self.memory.recall("u", "c", Place())
        self.summaries.fallen("u", "c", known.summary, known.messages[:count])
        await self.background.drain()

    async def summary(self, place: Place = Place()) -> str | None:  # noqa: B008  # frozen
        known = await self.memory.recall("u", "c", place)
        return known.summary.content if known.summary else None


@pytest.fixture
async def scene(pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows, memory: StoredMemory) -> Scene:
    scene = Scene(pool, hot, memory)
    await scene.talk(6)
    return scene


async def test_what_fell_out_is_summed_up_and_the_next_turn_has_it(scene: Scene) -> None:
    await scene.fall(4)
    assert await scene.summary() == "此前对话的摘要：摘要1"
    assert scene.model.asked[0][1].content == "用户：问\n助手：答\n用户：问\n助手：答"
    # From Redis as well as from PostgreSQL, and after more turns.
    assert await scene.summary() == "此前对话的摘要：摘要1"
    await scene.talk(1)
    assert await scene.summary() == "此前对话的摘要：摘要1"


async def test_a_summary_is_extended_by_what_it_does_not_cover_and_only_when_it_is_worth_it(scene: Scene) -> None:
    await scene.fall(4)
    await scene.fall(6)
    assert len(scene.model.asked) == 1
    await scene.fall(10)
    assert len(scene.model.asked) == 2
    transcript = scene.model.asked[1][1].content
    assert transcript.startswith("此前对话的摘要：摘要1\n\n")
    assert transcript.count("问") == 3
    assert await scene.summary() == "此前对话的摘要：摘要2"


async def test_a_branch_that_left_before_has_no_part_in_a_summary(scene: Scene) -> None:
    await scene.fall(8)
    assert await scene.summary(Place(Where.AFTER, 2)) is None
    await scene.talk(1, Place(Where.AFTER, 2))
    assert await scene.summary() is None
    assert await scene.summary(Place(Where.AFTER, 12)) == "此前对话的摘要：摘要1"


async def test_a_model_that_fails_is_asked_another_time(scene: Scene) -> None:
    scene.model.broken = True
    await scene.fall(4)
    assert await scene.summary() is None
    scene.model.broken = False
    await scene.fall(4)
    assert await scene.summary() == "此前对话的摘要：摘要2"


async def test_one_summary_is_made_at_a_time(scene: Scene) -> None:
    known = await scene.memory.recall("u", "c", Place())
    for _ in range(5):
        scene.summaries.fallen("u", "c", None, known.messages[:6])
    await scene.background.drain()
    assert len(scene.model.asked) == 1
