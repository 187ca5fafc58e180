"""Which models there are: what the providers offer, with what `models.toml` knows about it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from services.chat.domain import Model
from services.chat.errors import ModelNotFoundError
from services.chat.upstreams.known import KnownModels, Listing
from services.runtime.errors import ServiceError

# What the providers offer is asked for again this often, and sooner while none has answered.
_REFRESH_S = 60.0
_RETRY_S = 2.0

log = structlog.get_logger()


class Providers(Protocol):
    """List what they run."""

    async def list_models(self) -> Sequence[Listing]:
        """What each offers: names, ages and owners; the other figures are the catalogue's to know.

        Raises:
            ServiceError: None has ever answered.
        """
        ...


class Catalogue:
    """The models that can be asked now."""

    def __init__(
        self, known: KnownModels, providers: Providers, prepare: Callable[[frozenset[str]], Awaitable[None]]
    ) -> None:
        """Offer nothing until a provider has answered; `prepare` the encodings of what is offered before it is."""
        self._known = known
        self._providers = providers
        self._prepare = prepare
        self._offered: dict[str, Model] = {}
        self._refreshing: asyncio.Task[None] | None = None

    async def list(self) -> tuple[Model, ...]:
        """All models, the default first; while no provider has answered, all who ask share one listing.

        Raises:
            UpstreamError: No provider has answered yet, and none does now.
        """
        if not self._offered:
            await self._refresh()
        return tuple(self._offered.values())

    async def find(self, model_id: str) -> Model:
        """The model of that name, or the default for an empty name.

        Raises:
            ModelNotFoundError: There is none.
            UpstreamError: As `list`.
        """
        models = await self.list()
        model = self._offered.get(model_id) if model_id else next(iter(models), None)
        if model is None:
            # The name stays out of the message, which traces keep: who knows what somebody wrote there.
            raise ModelNotFoundError(
                "There is no such model; GET /v1/models lists those there are.",
                metadata={"model": model_id},
                fields={"model": "names no model"},
            )
        return model

    def unlisted(self) -> tuple[str, ...]:
        """The ids of known models that no provider lists."""
        return self._known.unlisted(self._offered.values())

    def cheap(self) -> Model | None:
        """The model for work beside the conversation; None while there is none."""
        return self._offered.get(self._known.cheap)

    async def keep_fresh(self) -> None:
        """Ask the providers again and again; run it as a task and cancel it."""
        while True:
            delay_s = _REFRESH_S
            try:
                await self._refresh()
            except ServiceError as error:
                log.warning("models not refreshed", reason=error.wire_reason, message=error.message)
                delay_s = _RETRY_S
            await asyncio.sleep(delay_s)

    async def _refresh(self) -> None:
        """Join the listing that is under way, or begin one; whoever leaves does not end it for the others."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._list_once())
            self._refreshing.add_done_callback(_heard)
        await asyncio.shield(self._refreshing)

    async def _list_once(self) -> None:
        try:
            offered = self._known.offered(await self._providers.list_models())
            await self._prepare(frozenset(model.encoding for model in offered))
            self._offered = {model.id: model for model in offered}
        finally:
            self._refreshing = None


def _heard(listing: asyncio.Task[None]) -> None:
    """When everybody has left, nobody is told of its error; the next who asks will be."""
    if not listing.cancelled():
        listing.exception()
