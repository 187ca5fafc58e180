"""What guards every remote layer: known verdicts, a bound on calls at once, a circuit breaker, a budget, metrics."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter

import structlog

from services.moderation.domain import Layer, Opinion, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.cache import VerdictCache
from services.moderation.layers.metrics import LayerMetrics
from services.moderation.layers.policy import LayerPolicy
from services.moderation.ports import RemoteLayer
from services.runtime.breaker import Breaker, CircuitOpenError

# What speaks of the layer's health; a text that it does not take or a quota that is used up does not.
_FAILURES = frozenset({"timeout", "error"})

log = structlog.get_logger()


class GuardedLayer:
    """A remote layer that nobody waits for longer than its budget, and that is left alone while it is down."""

    def __init__(
        self, layer: Layer, remote: RemoteLayer, policy: LayerPolicy, *, cache: VerdictCache, metrics: LayerMetrics
    ) -> None:
        """Guard `remote` as its policy says."""
        self._layer = layer
        self._remote = remote
        self._timeout_s = policy.timeout_s
        self._cache = cache
        self._metrics = metrics
        self._slots = asyncio.Semaphore(policy.concurrent_max)
        self._present = 0
        # As many as are being judged may wait.
        self._present_max = 2 * policy.concurrent_max
        self._breaker = Breaker(
            failures_max=policy.breaker_failures, open_s=policy.breaker_open_s, on_change=self._breaker_changed
        )

    async def judge(self, subject: Subject) -> Opinion | None:
        """Its opinion; None when it cannot have one about this user.

        What is judged is the text's normal form (NFKC), so that a verdict that is known is the verdict on just what
        was judged, however it was written.

        Raises:
            LayerDownError: It does not answer, in time or at all, or has no quota left.
        """
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        text = unicodedata.normalize("NFKC", subject.text).strip()
        if not text:
            return Opinion(refused=False)
        known = await self._cache.get(text)
        if known is not None:
            self._metrics.cache_hit(self._layer)
            return known
        begin = perf_counter()
        outcome = "cancelled"
        try:
            async with self._slot(deadline_s):
                opinion = await self._asked(replace(subject, text=text), deadline_s)
            outcome = "unable" if opinion is None else "refused" if opinion.refused else "passed"
        except LayerDownError as error:
            outcome = "down"
            self._metrics.down(self._layer, error.why)
            raise
        finally:
            self._metrics.judged(self._layer, outcome, perf_counter() - begin)
        if opinion is not None:
            self._cache.put(text, opinion)
        return opinion

    @asynccontextmanager
    async def _slot(self, deadline_s: float) -> AsyncIterator[None]:
        if self._present >= self._present_max:
            raise LayerDownError("busy")
        self._present += 1
        try:
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self._slots.acquire()
            except TimeoutError:
                raise LayerDownError("busy") from None
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._present -= 1

    async def _asked(self, subject: Subject, deadline_s: float) -> Opinion | None:
        try:
            with self._breaker.call(_is_failure):
                return await self._within(subject, deadline_s)
        except CircuitOpenError:
            raise LayerDownError("open") from None

    async def _within(self, subject: Subject, deadline_s: float) -> Opinion | None:
        try:
            async with asyncio.timeout_at(deadline_s):
                return await self._remote.judge(subject)
        except LayerDownError:
            raise
        except TimeoutError:
            raise LayerDownError("timeout") from None
        except Exception as error:  # noqa: BLE001  # whatever breaks in there, the policy decides about the text
            log.error("a layer broke", layer=self._layer, error=type(error).__name__)
            raise LayerDownError("error") from None

    def _breaker_changed(self, is_open: bool) -> None:
        self._metrics.breaker(self._layer, is_open=is_open)
        if is_open:
            log.error("a layer is down and left alone for a while", layer=self._layer)


def _is_failure(error: Exception) -> bool:
    return isinstance(error, LayerDownError) and error.why in _FAILURES
