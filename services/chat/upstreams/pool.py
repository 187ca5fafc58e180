"""All providers as one: who is asked, and who is asked instead when that fails before the first piece."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Message, Model, Options
from services.chat.errors import ModelNotFoundError
from services.chat.upstreams.accounts import Key, Permit, Provider
from services.chat.upstreams.failures import CallFailedError
from services.chat.upstreams.hedging import Hedging, first_of
from services.chat.upstreams.known import Listing
from services.chat.upstreams.metrics import UpstreamMetrics
from services.chat.upstreams.opened import Opened, open_answer
from services.chat.upstreams.rota import Rota
from services.chat.upstreams.search import Search
from services.runtime.breaker import CircuitOpenError

# A key whose budget is used up is not counted again for so long.
_SPENT_S = 1.0


class Budgets(Protocol):
    """What may be asked for in a minute."""

    async def take(self, name: str, *, cost: int, per_minute: int) -> float:
        """Take from a budget; 0, or how many seconds to wait."""
        ...


class _NobodyElseError(Exception):
    """There is no second provider to ask."""


class Pool:
    """The port `Upstream`, and the catalogue's `Providers`."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        budgets: Budgets,
        hedging: Hedging,
        metrics: UpstreamMetrics,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask these; `chance` gives numbers from 0 to 1."""
        self._providers = providers
        self._budgets = budgets
        self._hedging = hedging
        self._metrics = metrics
        self._clock = clock
        self._rota = Rota(chance)

    async def list_models(self) -> Sequence[Listing]:
        """What each provider offers; one that is down hides only what it alone has never told.

        Raises:
            ServiceError: None has ever answered.
        """
        listings = await asyncio.gather(*(provider.listing() for provider in self._providers), return_exceptions=True)
        failures = [listing for listing in listings if isinstance(listing, BaseException)]
        told = [listing for listing in listings if isinstance(listing, Listing)]
        for failure in failures:
            if not isinstance(failure, CallFailedError):
                raise failure
            if not told:
                raise failure.error
        return told

    @asynccontextmanager
    async def answer(self, model: Model, prompt: Sequence[Message], options: Options) -> AsyncIterator[AnswerStream]:
        """Ask the model; leaving the context cancels what it still generates.

        Raises:
            UpstreamBusyError: Everybody who runs it has too much to do.
            ServiceError: What the last one said who was asked.
        """
        async with await self._open(Search(model, prompt, options, self._keys(model.id))) as opened:
            yield opened

    def _keys(self, model_id: str) -> tuple[Key, ...]:
        """Of every provider that serves a model.

        Raises:
            ModelNotFoundError: There is none.
        """
        serving = [provider for provider in self._providers if provider.serves(model_id)]
        # Who has never listed anything may have it. No fallback: llama.cpp's server answers with its own model,
        # whatever it is asked for.
        serving = serving or [each for each in self._providers if each.is_unknown and not each.is_fallback]
        if not serving:
            raise ModelNotFoundError("No provider runs this model any more.", metadata={"model": model_id})
        return tuple(key for provider in serving for key in provider.keys)

    async def _open(self, search: Search) -> Opened:
        """An answer of which the first piece is there."""
        permit = await self._next(search)
        while permit is not None:
            key = permit.key
            try:
                return await self._open_in_time(permit, search)
            except CallFailedError as failure:
                if failure.kind.is_final:
                    raise failure.error from None
            except asyncio.CancelledError:
                # Also when asking had not begun.
                permit.abandoned("cancelled")
                raise
            permit = await self._next(search)
            if permit is not None and permit.key is not key:
                self._metrics.failed_over(key.provider.name)
        raise search.error()

    async def _open_in_time(self, permit: Permit, search: Search) -> Opened:
        """Ask, and ask somebody else as well when the answer is late."""
        provider = permit.key.provider.name
        patience_s = self._hedging.patience_s(provider, search.model.id)
        if patience_s is None:
            return await self._ask(permit, search)

        async def ask_another() -> Opened:
            other = await self._next(search, apart_from=permit.key) if self._hedging.spend() else None
            if other is None:
                raise _NobodyElseError
            self._metrics.hedged(provider)
            return await self._ask(other, search)

        opened = await first_of(
            lambda: self._ask(permit, search), ask_another, patience_s=patience_s, discard=Opened.discard
        )
        opened.lost_calls = len(search.asking) - 1
        return opened

    async def _ask(self, permit: Permit, search: Search) -> Opened:
        """Ask with one key, and learn from how it goes."""
        key, model_id = permit.key, search.model.id
        begin = self._clock()
        search.asking.add(key)
        try:
            opened = await open_answer(permit, search.model, search.prompt, search.options)
        except CallFailedError as failure:
            permit.failed(failure)
            search.failed(key, failure)
            raise
        except BaseException:
            permit.abandoned("outrun" if search.won else "cancelled")
            if search.won:
                # It would have taken longer than this.
                self._hedging.took(key.provider.name, model_id, self._clock() - begin)
            raise
        search.won = True
        self._hedging.took(key.provider.name, model_id, self._clock() - begin)
        self._metrics.first_token(key.provider.name, self._clock() - begin)
        return opened

    async def _next(self, search: Search, *, apart_from: Key | None = None) -> Permit | None:
        """Whom to ask now; None when nobody is left."""
        search.repeat_if_alone()
        while candidates := search.candidates(apart_from):
            key = self._choice(candidates)
            search.tried.add(key)
            try:
                permit = key.admit()
            except CircuitOpenError:
                continue
            wait_s = await self._over_budget_s(permit, search)
            if not wait_s:
                return permit
            permit.not_used()
            key.pause(_SPENT_S)
            search.waits_s.append(wait_s)
        return None

    def _choice(self, candidates: Sequence[Key]) -> Key:
        """By the weights of providers, which their keys share."""
        keys = Counter(key.provider.name for key in candidates)
        return self._rota.pick({key: key.provider.settings.weight / keys[key.provider.name] for key in candidates})

    async def _over_budget_s(self, permit: Permit, search: Search) -> float:
        """Take the call from its key's budgets; 0, or how long to wait."""
        key, settings = permit.key, permit.key.provider.settings
        try:
            if settings.requests_per_minute is not None:
                wait_s = await self._budgets.take(
                    f"{key.budget}:requests", cost=1, per_minute=settings.requests_per_minute
                )
                if wait_s:
                    return wait_s
            if settings.tokens_per_minute is not None:
                return await self._budgets.take(
                    f"{key.budget}:tokens", cost=search.tokens, per_minute=settings.tokens_per_minute
                )
        except asyncio.CancelledError:
            permit.not_used()
            raise
        return 0.0
