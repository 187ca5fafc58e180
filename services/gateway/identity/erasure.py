"""Erasing a user: they can do nothing more from that moment on, and what is kept of them is deleted everywhere.

First the identity goes, in one transaction, and with it every way to come in; then the chat service erases what was
said. Should it not answer, or this process die, any replica goes on. Once more is erased a little later: what was being
written at that moment has been written by then.

Of the identity a mark stays for some time (`marks.py`), so that coming back is not paid for with trial credit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import structlog

from services.runtime.errors import ServiceError

# How often replicas ask who was erased at others, and so how long a session of theirs can go on there.
_LOOK_S = 1.0

# How often they go on with what is not erased everywhere, and how often marks that are old enough are forgotten.
_FINISH_S = 1.0
_FORGET_S = 3600.0

log = structlog.get_logger()


class ErasedUsers(Protocol):
    """Where identities are kept, and who was erased; `accounts.Accounts` says what each method does."""

    async def erase_user(self, user_id: str) -> None:
        """Delete the identity."""
        ...

    async def erased_lately(self) -> Collection[str]:
        """Whose access tokens may still be about."""
        ...

    async def erased_by_half(self) -> Collection[str]:
        """Of whom other services may still keep something."""
        ...

    async def finish_erasure(self, user_id: str) -> None:
        """Nothing is left."""
        ...

    async def forget_marks(self, *, after_days: int) -> None:
        """Forget how users would be known again who were erased so long ago."""
        ...


class Talks(Protocol):
    """Keeps what users said."""

    async def erase(self, user_id: str) -> None:
        """Erase it."""
        ...


class Erasure:
    """Erases users, and knows who was erased lately."""

    def __init__(self, users: ErasedUsers, talks: Talks, *, marks_days: int) -> None:
        """Erase them there, and know them again for so many days."""
        self._users = users
        self._talks = talks
        self._marks_days = marks_days
        # By anybody, as the accounts say; and by this process, which knows it first.
        self._lately: set[str] = set()
        self._here: set[str] = set()

    def __contains__(self, user_id: object) -> bool:
        """Whether this user was erased, as far as their tokens could still be valid."""
        return user_id in self._lately or user_id in self._here

    async def erase(self, user_id: str) -> None:
        """Erase a user, from now on for all replicas; what others keep may take a moment more.

        Raises:
            UnavailableError: The accounts do not answer; nothing was erased.
        """
        await self._users.erase_user(user_id)
        self._here.add(user_id)
        await self._erase_talks(user_id)

    async def look(self) -> None:
        """Learn who was erased at other replicas.

        Raises:
            UnavailableError: The accounts do not answer.
        """
        self._lately = set(await self._users.erased_lately())

    async def keep_going(self) -> None:
        """Learn it again and again, and finish what was begun; run it as a task and cancel it.

        Side by side: while the chat service is slow to erase, sessions of whoever is erased elsewhere end in time.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again(self.look, _LOOK_S))
            tasks.create_task(_again(self._finish, _FINISH_S))
            tasks.create_task(_again(self._forget, _FORGET_S))

    async def _finish(self) -> None:
        for user_id in await self._users.erased_by_half():
            if await self._erase_talks(user_id):
                await self._users.finish_erasure(user_id)

    async def _forget(self) -> None:
        await self._users.forget_marks(after_days=self._marks_days)

    async def _erase_talks(self, user_id: str) -> bool:
        try:
            await self._talks.erase(user_id)
        except ServiceError as error:
            log.warning("conversations of an erased user are still there", user_id=user_id, reason=error.wire_reason)
            return False
        return True


async def _again(work: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        try:
            await work()
        except ServiceError as error:
            log.warning("erased users not looked up", reason=error.wire_reason)
        await asyncio.sleep(every_s)
