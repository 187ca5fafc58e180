"""The weights in force in this replica, kept fresh while it serves.

Weights are read in a thread and put in force by one assignment, so each text is judged by exactly one set of them and
none waits. Whatever goes wrong, the weights in force stay.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from services.moderation.errors import InvalidWeightsError
from services.moderation.learned.features import Featurizer
from services.moderation.learned.metrics import WeightsMetrics
from services.moderation.learned.model import BYTES_MAX, Screener, read_weights
from services.moderation.learned.store import StoredWeights, WeightsStore
from services.runtime.errors import ServiceError, StartupError

log = structlog.get_logger()

# Of a file: when it was changed, in nanoseconds, and its size in bytes.
_Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What is in force in a replica, and since when."""

    stored_version: int
    content: bytes
    loaded_at: datetime


class WeightsLibrary:
    """The port `Screeners`.

    `current` are the weights in force and `info` says where they are from; both are there once `load` has returned.
    `problem` is why the newest state could not be taken up, in one sentence; "" when it could.
    """

    current: Screener
    info: WeightsInfo

    def __init__(
        self,
        file: Path,
        store: WeightsStore,
        featurizer: Featurizer,
        metrics: WeightsMetrics,
        *,
        look_every_s: float = 3.0,
    ) -> None:
        """Weights that are stored, else those of the file; look whether there are new ones every `look_every_s`."""
        self._file = file
        self._store = store
        self._featurizer = featurizer
        self._metrics = metrics
        self._look_every_s = look_every_s
        self._stored = StoredWeights(0, None)
        self._taken: tuple[int, _Stamp | None] | None = None
        self.problem = ""

    async def load(self) -> None:
        """Read for the first time. When the stored weights cannot be, the file is in force for now.

        Raises:
            StartupError: Something is wrong with the file; one sentence.
        """
        try:
            await self._take_up(StoredWeights(0, None))
        except InvalidWeightsError as error:
            raise StartupError(f"{self._file}: {error.message}") from None
        await self.refresh()

    async def keep_fresh(self) -> None:
        """Take up whatever changes, again and again; run it as a task and cancel it."""
        while True:
            await asyncio.sleep(self._look_every_s)
            try:
                await self.refresh()
            except Exception:
                # The loop must outlive anything.
                log.exception("weights not read")

    async def refresh(self) -> None:
        """Take up what is new; whatever goes wrong is a `problem`, until something changes."""
        problem = self.problem
        try:
            if await self._store.version() != self._stored.version:
                self._stored = await self._store.in_force()
            if await self._state(self._stored) != self._taken:
                await self._take_up(self._stored)
                problem = ""
            elif not problem.startswith("The weights file"):
                problem = ""
        except ServiceError as error:
            problem = error.message
        self._tell(problem)

    def screener(self, content: bytes) -> Screener:
        """What these weights would be here.

        Raises:
            InvalidWeightsError: Something is wrong with them.
        """
        return Screener(read_weights(content), self._featurizer)

    async def _state(self, stored: StoredWeights) -> tuple[int, _Stamp | None]:
        stamp = None if stored.content is not None else await asyncio.to_thread(_stamp, self._file)
        return stored.version, stamp

    async def _take_up(self, stored: StoredWeights) -> None:
        state = await self._state(stored)
        # What failed is not tried again before something changes.
        self._taken = state
        content = stored.content if stored.content is not None else await asyncio.to_thread(_read, self._file)
        screener = await asyncio.to_thread(self.screener, content)
        self.current = screener
        self.info = WeightsInfo(stored.version, content, datetime.now(UTC))
        self._metrics.in_force(self.info)
        log.info("weights in force", version=screener.version, stored_version=stored.version)

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("weights not taken up", problem=problem)
        self.problem = problem
        self._metrics.in_trouble(yes=bool(problem))


def _stamp(file: Path) -> _Stamp:
    try:
        stat = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from None
    return stat.st_mtime_ns, stat.st_size


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            # A byte more than is allowed tells that there are too many.
            return opened.read(BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: OSError) -> InvalidWeightsError:
    return InvalidWeightsError(f"The weights file {file} cannot be read ({error.strerror}): check SCREENER_WEIGHTS.")
