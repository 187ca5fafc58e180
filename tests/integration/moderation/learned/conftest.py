"""A migrated database of weights, replicas that serve them, and their ScreenerService."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from queqiao.moderation.v1 import screener_pb2_grpc

import services.moderation
from services.moderation.audit.records import JudgedText
from services.moderation.layers.policy import LearnedPolicy
from services.moderation.learned.features import Featurizer
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.library import WeightsLibrary
from services.moderation.learned.metrics import WeightsMetrics
from services.moderation.learned.model import SHIPPED
from services.moderation.learned.samples import TRAINED, Sample, read_samples
from services.moderation.learned.servicer import ScreenerServicer
from services.moderation.learned.store import WeightsStore
from services.moderation.learned.training import Recipe, train
from services.moderation.lexicon.lexicon import Lexicon
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.postgres import postgres_pool
from services.runtime.process import running
from services.runtime.trace import Telemetry
from tests.unit.moderation.test_checks import ScriptedPanel

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
FEATURIZER = Featurizer.shipped()


@pytest.fixture(scope="session")
def other_weights() -> bytes:
    """Small weights that know one label, and that 琉璃瓦片换云朵 is a fraud."""
    samples = [sample for sample in read_samples(TRAINED) if sample.written and sample.label in (0, 20008)]
    added = [Sample(20008, f"琉璃瓦片换云朵，第{number}号窗口") for number in range(30)]
    return train([*samples, *added], FEATURIZER, Recipe(bits=14), about="a test")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of a fresh moderation database."""
    migrations = Path(services.moderation.__path__[0]) / "migrations"
    async with postgres_pool(database_url, schema="moderation", migrations=migrations, connections_max=8) as pool:
        yield pool


@pytest.fixture
def store(pool: Pool) -> WeightsStore:
    """The stored weights."""
    return WeightsStore(pool)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights that ship, as a file of our own."""
    file = tmp_path / "mine.weights"
    file.write_bytes(SHIPPED.read_bytes())
    return file


@pytest.fixture
async def library(store: WeightsStore, file: Path) -> AsyncIterator[WeightsLibrary]:
    """A replica's weights, which are looked at all the time."""
    library = WeightsLibrary(file, store, FEATURIZER, WeightsMetrics(CollectorRegistry()), look_every_s=0.02)
    await library.load()
    async with running(library.keep_fresh()):
        yield library


@dataclass
class Kept:
    """The port `KeptTexts`."""

    judged: list[JudgedText] = field(default_factory=list)

    async def recent(self, limit: int) -> list[str]:
        return [each.text for each in self.judged]

    async def judged_texts(self, limit: int) -> Sequence[JudgedText]:
        return self.judged


@dataclass
class NoLists:
    """The port `Lexicons`."""

    current: Lexicon = field(default_factory=lambda: Lexicon(()))


@dataclass
class Consent:
    """Whether kept texts may be trained on."""

    given: bool = True


@pytest.fixture
def kept() -> Kept:
    """What the audit keeps: nothing yet."""
    return Kept()


@pytest.fixture
def consent() -> Consent:
    """Given."""
    return Consent()


@pytest.fixture
async def target(library: WeightsLibrary, store: WeightsStore, kept: Kept, consent: Consent) -> AsyncIterator[str]:
    """The ScreenerService, as host:port."""
    server = GrpcServer(
        host="127.0.0.1", port=0, drain_s=0, metrics=RpcMetrics(CollectorRegistry()), telemetry=Telemetry(None)
    )
    servicer = ScreenerServicer(
        library,
        store,
        LearnedLayer(library, LearnedPolicy()),
        NoLists(),
        ScriptedPanel(),
        kept,
        allow_training=consent.given,
    )
    screener_pb2_grpc.add_ScreenerServiceServicer_to_server(servicer, server.grpc)
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.drain()
