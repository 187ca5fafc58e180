"""News of changed lists over PostgreSQL's LISTEN, on a connection of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from services.moderation.lists.sql import CHANNEL
from services.runtime.postgres import FAILED

_CONNECT_TIMEOUT_S = 10.0

# A connection whose other end is gone says nothing, as one without news does: it is asked now and then.
_ASK_EVERY_S = 30.0
_ASK_TIMEOUT_S = 5.0

log = structlog.get_logger()


class PostgresNotices:
    """The port `Notices`."""

    def __init__(self, url: str, *, reopen_after_s: float = 1.0) -> None:
        """Listen at this database; a connection that broke is opened anew after so many seconds."""
        self._url = url
        self._reopen_after_s = reopen_after_s

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` on every notice, and when a connection was opened: something may have been missed before."""
        while True:
            try:
                await self._listen_once(heard)
            except FAILED as error:
                log.info("no notices of changed word lists for now", error=type(error).__name__)
            await asyncio.sleep(self._reopen_after_s)

    async def _listen_once(self, heard: Callable[[], None]) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=_CONNECT_TIMEOUT_S,
            server_settings={"application_name": "queqiao-moderation-notices"},
        )
        try:
            broken = asyncio.Event()
            connection.add_termination_listener(lambda _: broken.set())
            await connection.add_listener(CHANNEL, _calling(heard))
            heard()
            while not broken.is_set():
                try:
                    async with asyncio.timeout(_ASK_EVERY_S):
                        await broken.wait()
                except TimeoutError:
                    await connection.execute("SELECT", timeout=_ASK_TIMEOUT_S)
        finally:
            # There is nothing to say goodbye for.
            connection.terminate()


def _calling(heard: Callable[[], None]) -> Callable[..., None]:
    def notified(*_: Any) -> None:
        heard()

    return notified
