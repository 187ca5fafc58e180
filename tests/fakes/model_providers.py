"""Providers of models that do what a test says, and a clock that moves when it says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Chunk, FinishReason, Message, Model, Options, Piece
from services.chat.upstreams.accounts import Provider
from services.chat.upstreams.failures import CallFailedError
from services.chat.upstreams.hedging import Hedging
from services.chat.upstreams.metrics import UpstreamMetrics
from services.chat.upstreams.pool import Pool
from services.chat.upstreams.settings import BreakerSettings, HedgingSettings, ProviderSettings
from tests.fakes.answer_streams import generated


class ScriptedClient:
    """A key of a provider: each call is answered, or fails, as `says` says then.

    `fails` is raised before the first piece, `breaks` after it. The first piece comes after `after_s`.
    """

    def __init__(self, text: str = "好") -> None:
        self.text = text
        self.fails: CallFailedError | None = None
        self.breaks: CallFailedError | None = None
        self.after_s = 0.0
        self.ends = True
        self.models: Sequence[str] = ("m",)
        self.listing_fails: CallFailedError | None = None
        self.listings = 0
        self.asked = 0
        self.closed = 0
        self.cancelled = 0

    async def list_models(self) -> Sequence[Model]:
        self.listings += 1
        await asyncio.sleep(0)
        if self.listing_fails is not None:
            raise self.listing_fails
        return [Model(name, 0, 0, "", created_s=7, owned_by="someone") for name in self.models]

    @asynccontextmanager
    async def answer(self, model: Model, prompt: Sequence[Message], options: Options) -> AsyncIterator[AnswerStream]:
        self.asked += 1
        try:
            async with generated(self._chunks(), one_by_one=True) as stream:
                yield stream
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.closed += 1

    async def _chunks(self) -> AsyncGenerator[Chunk]:
        await asyncio.sleep(self.after_s)
        if self.fails is not None:
            raise self.fails
        yield Chunk((Piece(self.text),))
        await asyncio.sleep(0)
        if self.breaks is not None:
            raise self.breaks
        if self.ends:
            yield Chunk(finish_reason=FinishReason.STOP)


class CountedBudgets:
    """Budgets that are used up when a test says so."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.waits_s: dict[str, float] = {}

    async def take(self, name: str, *, cost: int, per_minute: int) -> float:
        await asyncio.sleep(0)
        if name in self.waits_s:
            return self.waits_s[name]
        self.taken.append((name, cost))
        return 0.0


class Scene:
    """A pool of scripted providers, with a clock of its own."""

    def __init__(self, *, hedging: HedgingSettings | None = None, failures: int = 3, open_s: float = 10.0) -> None:
        self.now_s = 1000.0
        self.registry = CollectorRegistry()
        self.budgets = CountedBudgets()
        self.hedging = Hedging(hedging or HedgingSettings())
        self._metrics = UpstreamMetrics(self.registry)
        self._breaker = BreakerSettings(failures, open_s)
        self.providers: list[Provider] = []

    def add(self, settings: ProviderSettings, *clients: ScriptedClient) -> None:
        """One more provider."""
        self.providers.append(Provider(settings, clients, self._breaker, self._metrics, lambda: self.now_s))

    def pool(self) -> Pool:
        """The pool of all providers so far."""
        return Pool(
            self.providers,
            budgets=self.budgets,
            hedging=self.hedging,
            metrics=self._metrics,
            chance=lambda: 0.0,
            clock=lambda: self.now_s,
        )

    def count(self, metric: str, **labels: str) -> float:
        """A metric's value; 0 when it has none."""
        return self.registry.get_sample_value(f"queqiao_upstream_{metric}", labels) or 0.0
