"""Providers and their keys: how each fares, and whether it can be asked now."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Message, Model, Options
from services.chat.upstreams.failures import CallFailedError, Kind, broken_off
from services.chat.upstreams.known import Listing
from services.chat.upstreams.metrics import UpstreamMetrics
from services.chat.upstreams.settings import BreakerSettings, ProviderSettings, Role
from services.runtime.breaker import Attempt, Breaker, CircuitOpenError

# Nobody waits longer than this for a provider to list its models, while others have.
_LISTING_S = 5.0

# How long a key is spared after a 429 that does not say for how long.
_SPARED_S = 2.0

log = structlog.get_logger()


class Client(Protocol):
    """Asks a provider with one of its keys."""

    async def list_models(self) -> Sequence[Model]:
        """What it runs.

        Raises:
            CallFailedError: It does not say.
        """
        ...

    def answer(
        self, model: Model, prompt: Sequence[Message], options: Options
    ) -> AbstractAsyncContextManager[AnswerStream]:
        """Ask a model; leaving the context cancels what it still generates.

        Raises:
            CallFailedError: Here, or from a step of the answer.
        """
        ...


class Key:
    """One key of a provider."""

    def __init__(
        self, provider: "Provider", position: int, client: Client, breaker: Breaker, clock: Callable[[], float]
    ) -> None:
        """`position` counts from 1: it is what logs and metrics name instead of the key."""
        self.provider = provider
        self.position = position
        self.client = client
        self._breaker = breaker
        self._clock = clock
        self._paused_until = 0.0
        self._spared_until = 0.0

    @property
    def budget(self) -> str:
        """The name of its budgets."""
        return f"{self.provider.name}:{self.position}"

    @property
    def pause_s(self) -> float:
        """How long it is to be left alone because it was used too much; 0 for not at all."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def circuit_s(self) -> float:
        """How long it is left alone because it, or its provider, failed; 0 for not at all."""
        return max(self._breaker.wait_s, self.provider.breaker.wait_s)

    def pause(self, seconds: float) -> None:
        """Leave it alone for so long, or longer if it already is."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @property
    def is_spared(self) -> bool:
        """Whether others are to be asked first: it had too much to do a moment ago, and was not told for how long."""
        return self._clock() < self._spared_until

    def spare(self) -> None:
        """Ask others first for a moment."""
        self._spared_until = self._clock() + _SPARED_S

    def admit(self) -> "Permit":
        """Let a call go; it must report how it ended.

        Raises:
            CircuitOpenError: The key or the provider is left alone.
        """
        attempt = self._breaker.admit()
        try:
            return Permit(self, attempt, self.provider.breaker.admit())
        except CircuitOpenError:
            attempt.abandoned()
            raise

    def refused(self) -> None:
        """The provider does not take this key: leave it alone, and say so."""
        self._breaker.trip()
        keys = len(self.provider.keys)
        log.error("a provider refuses our key", provider=self.provider.name, key=f"{self.position} of {keys}")


class Permit:
    """One call with a key; how it ended is reported once, and every later report counts for nothing."""

    def __init__(self, key: Key, of_key: Attempt, of_provider: Attempt) -> None:
        """Only `Key.admit` makes these."""
        self.key = key
        self._attempts = (of_key, of_provider)
        self._over = False

    def answered(self) -> None:
        """The answer has begun."""
        for attempt in self._attempts:
            attempt.answered()

    def succeeded(self) -> None:
        """The answer is whole."""
        self._end("completed")
        for attempt in self._attempts:
            attempt.succeeded()

    def abandoned(self, outcome: str) -> None:
        """Nobody wants the answer any more: cancelled or outrun."""
        self._end(outcome)
        for attempt in self._attempts:
            attempt.abandoned()

    def not_used(self) -> None:
        """Nothing was asked."""
        self._over = True
        for attempt in self._attempts:
            attempt.abandoned()

    def failed(self, failure: CallFailedError) -> None:
        """The call failed: learn from it."""
        self._end(failure.kind)
        for attempt in self._attempts:
            if failure.kind.is_fault:
                attempt.failed()
            else:
                attempt.abandoned()
        if failure.kind is Kind.KEY_REFUSED:
            self.key.refused()
        if failure.pause_s:
            self.key.pause(failure.pause_s)
        elif failure.kind is Kind.BUSY:
            self.key.spare()

    def _end(self, outcome: str) -> None:
        if not self._over:
            self._over = True
            self.key.provider.metrics.ended(self.key.provider.name, outcome)


class Provider:
    """A provider: its keys, and which models it serves."""

    def __init__(
        self,
        settings: ProviderSettings,
        clients: Sequence[Client],
        breaker: BreakerSettings,
        metrics: UpstreamMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """One client for each key."""
        self.settings = settings
        self.name = settings.name
        self.metrics = metrics
        self.breaker = self._circuit("all", breaker, clock)
        self.keys = tuple(
            Key(self, position, client, self._circuit(str(position), breaker, clock), clock)
            for position, client in enumerate(clients, start=1)
        )
        # What it listed last; None while it has not.
        self._listed: tuple[Model, ...] | None = None

    @property
    def is_fallback(self) -> bool:
        """Whether it is only asked when no other can answer."""
        return self.settings.role is Role.FALLBACK

    @property
    def is_unknown(self) -> bool:
        """Whether it has never said what it serves."""
        return self.settings.models is None and self._listed is None

    def serves(self, model_id: str) -> bool:
        """Whether it can be asked for a model."""
        if self.settings.models is not None:
            return model_id in self.settings.models
        return any(model.id == model_id for model in self._listed or ())

    async def listing(self) -> Listing:
        """What it offers, as it says now, or said last.

        Raises:
            CallFailedError: It has never said.
        """
        if self.settings.models is not None:
            chosen = tuple(Model(model_id, 0, 0, "", owned_by=self.name) for model_id in self.settings.models)
            return Listing(chosen, last=self.is_fallback, kind=self.settings.kind)
        try:
            async with asyncio.timeout(_LISTING_S):
                self._listed = tuple(await self._list())
        except TimeoutError:
            self._not_listed(broken_off(Kind.TIMEOUT))
        except CallFailedError as failure:
            self._not_listed(failure)
        return Listing(self._listed or (), last=self.is_fallback, kind=self.settings.kind)

    def _not_listed(self, failure: CallFailedError) -> None:
        log.warning("a provider did not list its models", provider=self.name, why=failure.kind)
        if self._listed is None:
            raise failure

    async def _list(self) -> Sequence[Model]:
        """As the first of its keys is told that is not refused."""
        failure: CallFailedError | None = None
        for key in sorted(self.keys, key=lambda key: key.circuit_s):
            try:
                return await key.client.list_models()
            except CallFailedError as failed:
                failure = failed
                if failed.kind is Kind.KEY_REFUSED:
                    key.refused()
                if not failed.kind.is_of_the_key:
                    break
        if failure is None:
            raise AssertionError("a provider has a key")
        raise failure

    def _circuit(self, key: str, settings: BreakerSettings, clock: Callable[[], float]) -> Breaker:
        def changed(is_open: bool) -> None:
            self.metrics.breaker(self.name, key, is_open=is_open)
            if is_open:
                log.error("a provider is left alone for a while", provider=self.name, key=key)

        return Breaker(failures_max=settings.failures, open_s=settings.open_s, on_change=changed, clock=clock)
