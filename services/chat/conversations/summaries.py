"""Summaries of what falls out of a conversation's window: made by a cheap model, after the answer, never in its way."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from services.chat.background import Background
from services.chat.conversations import sql
from services.chat.conversations.hot import HotWindows
from services.chat.domain import Message, Role
from services.runtime.errors import ServiceError
from services.runtime.postgres import FAILED

# What makes a summary worth a call of a model, in messages that the last one does not cover.
_MESSAGES_MIN = 4

# The longest transcript that a summary is made of, in characters; of a longer one the latest part.
_TRANSCRIPT_CHARACTERS_MAX = 12_000

_TASK = (
    "把下面的对话压缩成一段摘要，供助手在后续对话中参考。保留人名、数字、事实、用户的偏好、已作的决定和未完成的事；"
    "不要评论，不要编造，不超过三百字。只输出摘要。"
)
_HEADING = "此前对话的摘要："
_NAMES = {Role.USER: "用户", Role.ASSISTANT: "助手", Role.TOOL: "工具"}

# Asks the cheap model; answers its text, of which moderation has let pass every word. Raises ServiceError.
Ask = Callable[[str, Sequence[Message]], Awaitable[str]]

log = structlog.get_logger()


class Summaries:
    """The port `Summaries`. One summary of a conversation is made at a time; one that fails is made another time."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows, ask: Ask, background: Background) -> None:
        """Keep summaries in this database."""
        self._pool = pool
        self._hot = hot
        self._ask = ask
        self._background = background
        self._at_work: set[tuple[str, str]] = set()

    def fallen(self, user_id: str, conversation_id: str, summary: Message | None, dropped: Sequence[Message]) -> None:
        """Extend the summary by what it does not cover, if that is worth it."""
        covered = summary.number if summary else 0
        fresh = [message for message in dropped if message.number > covered]
        if len(fresh) < _MESSAGES_MIN or (user_id, conversation_id) in self._at_work:
            return
        self._at_work.add((user_id, conversation_id))
        self._background.start(self._extend(user_id, conversation_id, summary, fresh))

    async def _extend(
        self, user_id: str, conversation_id: str, summary: Message | None, fresh: Sequence[Message]
    ) -> None:
        try:
            text = await self._ask(user_id, prompt(summary, fresh))
            if not text.strip():
                return
            content = _HEADING + text.strip().replace("\x00", "")
            # Weighed when it is first used, by the model that it is then sent to.
            await self._pool.execute(sql.PUT_SUMMARY, user_id, conversation_id, fresh[-1].number, content, 0, "")
            # The copy in Redis has the old one.
            await self._hot.drop(user_id, conversation_id)
        except (ServiceError, *FAILED) as error:
            reason = error.wire_reason if isinstance(error, ServiceError) else type(error).__name__
            log.warning("conversation not summarised", reason=reason)
        finally:
            self._at_work.discard((user_id, conversation_id))


class NoSummaries:
    """The port `Summaries`, of an owner who wants none."""

    def fallen(self, user_id: str, conversation_id: str, summary: Message | None, dropped: Sequence[Message]) -> None:
        """Let it be forgotten."""


def prompt(summary: Message | None, fresh: Sequence[Message]) -> tuple[Message, ...]:
    """What the cheap model is asked."""
    lines = [f"{_NAMES.get(message.role, message.role.value)}：{message.content}" for message in fresh]
    transcript = "\n".join(lines)[-_TRANSCRIPT_CHARACTERS_MAX:]
    if summary is not None:
        transcript = f"{summary.content}\n\n{transcript}"
    return Message(Role.SYSTEM, _TASK), Message(Role.USER, transcript)
