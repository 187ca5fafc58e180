"""Work that outlives its caller."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from services.runtime.errors import ServiceError

ResultT = TypeVar("ResultT")

log = structlog.get_logger()


class Background:
    """Work that must be finished although nobody may be waiting for it any more."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run it to its end; a failure that nobody sees is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def drain(self) -> None:
        """Wait for all of it."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            reason = str(error) if isinstance(error, ServiceError) else ""
            log.error("background work failed", error=type(error).__name__, reason=reason)
