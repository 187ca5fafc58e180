"""Which models there are: what the provider offers, with what `models.toml` knows about it."""

import asyncio
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from services.chat.domain import Model
from services.chat.errors import ModelNotFoundError
from services.runtime.errors import ServiceError, StartupError

# What the provider offers is asked for again this often, and sooner while it has not answered.
_REFRESH_S = 60.0
_RETRY_S = 2.0

log = structlog.get_logger()


class _Figures(msgspec.Struct, forbid_unknown_fields=True):
    context_tokens: int
    max_output_tokens: int
    encoding: str
    ratio_percent: int = 100


class _KnownModel(_Figures, forbid_unknown_fields=True):
    id: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    default: _Figures
    models: list[_KnownModel]


@dataclass(frozen=True)
class KnownModels:
    """The file `models.toml`, read."""

    models: tuple[Model, ...]
    default: Model

    @classmethod
    def read(cls, path: Path) -> "KnownModels":
        """Read the file.

        Raises:
            StartupError: It is missing or wrong; the sentence says where.
        """
        try:
            file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        except OSError as error:
            raise StartupError(f"{path} cannot be read ({error.strerror}): check MODELS_FILE.") from None
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise StartupError(f"{path} is wrong: {error}") from None
        return cls(
            tuple(_model(known.id, known) for known in file.models),
            _model("", file.default),
        )

    @property
    def encodings(self) -> frozenset[str]:
        """Every encoding that a model may need."""
        return frozenset(model.encoding for model in (*self.models, self.default))

    def offered(self, listed: Sequence[Model]) -> tuple[Model, ...]:
        """What to offer of what a provider lists, the default first.

        Providers list embeddings and voices beside chat models: where any listed model is known, only known ones
        are offered; a provider of unknown models (a vLLM of one's own) is offered whole.
        """
        by_id = {model.id: model for model in listed}
        known = tuple(
            replace(model, created_s=by_id[model.id].created_s, owned_by=by_id[model.id].owned_by)
            for model in self.models
            if model.id in by_id
        )
        if known:
            return known
        return tuple(
            replace(self.default, id=model.id, created_s=model.created_s, owned_by=model.owned_by) for model in listed
        )


def _model(model_id: str, figures: _Figures) -> Model:
    return Model(
        id=model_id,
        context_tokens=figures.context_tokens,
        max_output_tokens=figures.max_output_tokens,
        encoding=figures.encoding,
        ratio_percent=figures.ratio_percent,
    )


class Provider(Protocol):
    """Lists what it runs."""

    async def list_models(self) -> Sequence[Model]:
        """Names, ages and owners; the other figures are the catalogue's to know.

        Raises:
            ServiceError: The provider does not answer.
        """
        ...


class Catalogue:
    """The models that can be asked now."""

    def __init__(self, known: KnownModels, provider: Provider) -> None:
        """Offer nothing until the provider has answered."""
        self._known = known
        self._provider = provider
        self._offered: dict[str, Model] = {}

    async def list(self) -> tuple[Model, ...]:
        """All models, the default first.

        Raises:
            UpstreamError: The provider has not answered yet, and does not now.
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
            raise ModelNotFoundError(
                f"There is no model {model_id!r}; GET /v1/models lists those there are.",
                metadata={"model": model_id},
                fields={"model": "names no model"},
            )
        return model

    async def keep_fresh(self) -> None:
        """Ask the provider again and again; run it as a task and cancel it."""
        while True:
            delay_s = _REFRESH_S
            try:
                await self._refresh()
            except ServiceError as error:
                log.warning("models not refreshed", reason=error.wire_reason, message=error.message)
                delay_s = _RETRY_S
            await asyncio.sleep(delay_s)

    async def _refresh(self) -> None:
        offered = self._known.offered(await self._provider.list_models())
        self._offered = {model.id: model for model in offered}
