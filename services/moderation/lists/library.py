"""The lexicon in force in this replica, kept fresh while it serves.

Lists are read and compiled in a thread and put in force by one assignment: whoever judges takes `current` once for a
text, so each text is judged by exactly one lexicon, and none waits. Whatever goes wrong, the lexicon in force stays; a
source with something wrong keeps no other source from being taken up.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from services.moderation.errors import InvalidListError
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lists.domain import Info, WordList, compiled
from services.moderation.lists.metrics import LibraryMetrics
from services.moderation.lists.ports import Notices
from services.moderation.lists.sources import Files, Stored
from services.runtime.errors import ServiceError, StartupError

log = structlog.get_logger()


class Library:
    """The port `Lexicons`.

    `current` is the lexicon in force and `info` says what it is of; both are there once `load` has returned. `problem`
    is why the newest state could not be taken up, in one sentence; "" when it could.
    """

    current: Lexicon
    info: Info

    def __init__(
        self, files: Files, stored: Stored, notices: Notices, metrics: LibraryMetrics, *, look_every_s: float = 3.0
    ) -> None:
        """Read from these; look whether there is anything new on every notice, and every `look_every_s` seconds."""
        self._files = files
        self._stored = stored
        self._notices = notices
        self._metrics = metrics
        self._look_every_s = look_every_s
        self._news = asyncio.Event()
        self._tried: tuple[tuple[WordList, ...], int] = ((), 0)
        self._compile_problem = ""
        self.problem = ""

    async def load(self) -> None:
        """Read and compile for the first time. When the stored lists cannot be read, files alone are in force for now.

        Raises:
            StartupError: Something is wrong with the files; one line for each wrong one, as `file:line: sentence`.
        """
        try:
            await self._files.read()
        except InvalidListError as error:
            raise StartupError("\n".join(f"{place}: {why}" for place, why in error.fields.items())) from None
        self._tell(await _problem_of(self._stored))
        self._tried = self._newest()
        await self._take_up(*self._tried)

    async def keep_fresh(self) -> None:
        """Take up whatever changes, again and again; run it as a task and cancel it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._notices.listen(self._news.set))
            tasks.create_task(self._refresh_again())

    async def refresh(self) -> None:
        """Take up what is new; whatever goes wrong is a `problem`."""
        problems = [await _problem_of(self._files), await _problem_of(self._stored)]
        newest = self._newest()
        # What failed to compile is not compiled again before something changes.
        if newest != self._tried:
            self._tried, self._compile_problem = newest, ""
            try:
                await self._take_up(*newest)
            except Exception:
                log.exception("word lists not compiled")
                self._compile_problem = "The lists cannot be compiled: the log says why."
        self._tell(*problems, self._compile_problem)

    async def compiled_with(self, changed: WordList) -> Lexicon:
        """What the lexicon would be with this stored list, in the place of one of its name."""
        info = self.info
        others = [one for one in info.lists if not (one.stored and one.name == changed.name)]
        return await asyncio.to_thread(compiled, [*others, changed], info.stored_version)

    async def _refresh_again(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s):
                    await self._news.wait()
            # Before reading: what changes from now on is news again.
            self._news.clear()
            try:
                await self.refresh()
            except Exception:
                # The loop must outlive anything.
                log.exception("word lists not read")

    def _newest(self) -> tuple[tuple[WordList, ...], int]:
        return (*self._files.lists, *self._stored.lists), self._stored.version

    async def _take_up(self, lists: tuple[WordList, ...], stored_version: int) -> None:
        with self._metrics.compiling():
            lexicon = await asyncio.to_thread(compiled, lists, stored_version)
        self.current = lexicon
        self.info = Info(lexicon.version, stored_version, len(lexicon), datetime.now(UTC), lists)
        self._metrics.in_force(self.info)
        log.info("lexicon in force", version=lexicon.version, entries=len(lexicon), lists=len(lists))

    def _tell(self, *problems: str) -> None:
        problem = " ".join(filter(None, problems))
        if problem and problem != self.problem:
            self._metrics.count_problem()
            log.warning("word lists not taken up", problem=problem)
        self.problem = problem
        self._metrics.in_trouble(yes=bool(problem))


async def _problem_of(source: Files | Stored) -> str:
    try:
        await source.read()
    except ServiceError as error:
        return error.message
    return ""
