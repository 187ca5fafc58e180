"""A migrated database of word lists, and replicas that serve them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from queqiao.moderation.v1 import lexicon_pb2_grpc

import services.moderation
from services.moderation.layers.policy import LearnedPolicy
from services.moderation.learned.features import Featurizer
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from services.moderation.lexicon.judging import judge
from services.moderation.lists.editing import ListEditor
from services.moderation.lists.library import Library
from services.moderation.lists.metrics import LibraryMetrics
from services.moderation.lists.notices import PostgresNotices
from services.moderation.lists.ports import Notices
from services.moderation.lists.servicer import LexiconServicer
from services.moderation.lists.sources import Files, Stored
from services.moderation.lists.store import ListStore
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.postgres import postgres_pool
from services.runtime.process import running
from services.runtime.trace import Telemetry

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of a fresh moderation database."""
    migrations = Path(services.moderation.__path__[0]) / "migrations"
    async with postgres_pool(database_url, schema="moderation", migrations=migrations, connections_max=8) as pool:
        yield pool


@pytest.fixture
def store(pool: Pool) -> ListStore:
    """The stored lists."""
    return ListStore(pool)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of lists with one word."""
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "20006-files.txt").write_text("文件词\n", encoding="utf-8")
    return folder


@dataclass
class Kept:
    """The port `RetainedTexts`."""

    texts: list[str] = field(default_factory=list)

    async def recent(self, limit: int) -> list[str]:
        return self.texts[:limit]


class Silence:
    """The port `Notices`, of whom all news are lost."""

    async def listen(self, heard: Callable[[], None]) -> None:
        await asyncio.Event().wait()


@dataclass
class Replica:
    """One process's lexicon."""

    library: Library
    editor: ListEditor
    registry: CollectorRegistry

    def refuses(self, text: str) -> bool:
        return judge(self.library.current, text).refused is not None

    async def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def replica(
    pool: Pool, folder: Path, notices: Notices, *, look_every_s: float = 60.0, kept: Kept | None = None
) -> AsyncIterator[Replica]:
    """A replica that serves; only notices wake it before a minute has passed."""
    registry, store = CollectorRegistry(), ListStore(pool)
    library = Library(Files(folder), Stored(store), notices, LibraryMetrics(registry), look_every_s=look_every_s)
    await library.load()
    async with running(library.keep_fresh()):
        yield Replica(library, ListEditor(store, library, kept or Kept()), registry)


@pytest.fixture
async def one(pool: Pool, folder: Path, database_url: str) -> AsyncIterator[Replica]:
    """A replica."""
    async with replica(pool, folder, PostgresNotices(database_url)) as replica_:
        yield replica_


@dataclass
class ShippedScreener:
    """The port `Screeners`: the weights that ship."""

    current: Screener = field(
        default_factory=lambda: Screener(read_weights(SHIPPED.read_bytes()), Featurizer.shipped())
    )


@pytest.fixture
async def target(one: Replica, store: ListStore) -> AsyncIterator[str]:
    """Its LexiconService, as host:port."""
    server = GrpcServer(
        host="127.0.0.1", port=0, drain_s=0, metrics=RpcMetrics(CollectorRegistry()), telemetry=Telemetry(None)
    )
    learned = LearnedLayer(ShippedScreener(), LearnedPolicy())
    lexicon_pb2_grpc.add_LexiconServiceServicer_to_server(
        LexiconServicer(one.library, store, one.editor, learned), server.grpc
    )
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.drain()
