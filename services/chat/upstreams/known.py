"""What is known about models: `models.toml`. Pure but for reading it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.chat.domain import Model
from services.chat.upstreams.kinds import GENERIC, kinds
from services.runtime.errors import ConfigurationError

_Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class _Figures(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    context_tokens: int
    max_output_tokens: int
    encoding: str
    ratio_percent: int = 100
    message_tokens: _Count = 4
    assistant_tokens: _Count = 0
    reply_tokens: _Count = 3
    prologue_tokens: _Count = 0
    image_tokens: _Count = 1500
    price: str = ""
    parameters: list[str] | Literal["all"] | None = None
    fallback: str | None = None


class _KnownModel(_Figures, forbid_unknown_fields=True, kw_only=True):
    id: Annotated[str, Meta(min_length=1)]


class _Lanes(msgspec.Struct, forbid_unknown_fields=True):
    cheap: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    default: _Figures
    models: list[_KnownModel] = []
    lanes: _Lanes = msgspec.field(default_factory=_Lanes)


@dataclass(frozen=True, slots=True)
class Listing:
    """What one provider of some kind offers; `last` when it is only asked at need."""

    models: tuple[Model, ...]
    last: bool = False
    kind: str = GENERIC


@dataclass(frozen=True)
class KnownModels:
    """The file `models.toml`, read; `cheap` is the id of the model for work beside the conversation, "" none."""

    models: tuple[Model, ...]
    default: Model
    cheap: str = ""

    @classmethod
    def read(cls, path: Path) -> "KnownModels":
        """Read the file.

        Raises:
            ConfigurationError: It is missing or wrong; the sentence says where.
        """
        try:
            file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
            fallbacks = _fallbacks(file)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read ({error.strerror}): check MODELS_FILE.") from None
        except (ValueError, msgspec.ValidationError) as error:
            # Also what is no TOML, or no UTF-8.
            raise ConfigurationError(f"{path} is wrong: {str(error).replace('`$.', '`')}") from None
        default = _model("", file.default, file.default, file.default.fallback or "")
        return cls(
            tuple(_model(known.id, known, file.default, fallbacks[known.id]) for known in file.models),
            default,
            file.lanes.cheap,
        )

    @property
    def encodings(self) -> frozenset[str]:
        """Every encoding that a model may need."""
        return frozenset(model.encoding for model in (*self.models, self.default))

    def offered(self, listings: Iterable[Listing]) -> tuple[Model, ...]:
        """What to offer of what providers list, the default first.

        Whatever a provider lists is offered, also embeddings and voices: what nobody can chat with has no price, and
        is refused for that. Known models go first, in the file's order, and what only a fallback runs comes last.
        """
        order = {model.id: index for index, model in enumerate(self.models)}
        offered: dict[str, Model] = {}
        main: set[str] = set()
        takes: dict[str, frozenset[str]] = {}
        for listing in listings:
            for model in listing.models:
                takes[model.id] = takes.get(model.id, frozenset()) | kinds().takes[listing.kind]
                if model.id not in offered or model.created_s:
                    offered[model.id] = model
                if not listing.last:
                    main.add(model.id)
        preferred = sorted(offered, key=lambda model_id: (model_id not in main, order.get(model_id, len(order))))
        return tuple(self._described(offered[model_id], takes[model_id]) for model_id in preferred)

    def unlisted(self, offered: Iterable[Model]) -> tuple[str, ...]:
        """The ids of known models that nobody offers."""
        ids = {model.id for model in offered}
        return tuple(model.id for model in self.models if model.id not in ids)

    def _described(self, listed: Model, takes: frozenset[str]) -> Model:
        known = next((model for model in self.models if model.id == listed.id), None)
        if known is None:
            fallback = self.default.fallback
            circle = listed.id in _chain(fallback, {model.id: model.fallback for model in self.models})
            known = replace(
                self.default,
                id=listed.id,
                price=self.default.price or listed.id,
                fallback="" if circle else fallback,
                known=False,
            )
        if not known.own_parameters:
            known = replace(known, parameters=takes)
        return replace(known, created_s=listed.created_s, owned_by=listed.owned_by)


def _model(model_id: str, figures: _Figures, default: _Figures, fallback: str) -> Model:
    parameters = figures.parameters if figures.parameters is not None else default.parameters
    return Model(
        id=model_id,
        context_tokens=figures.context_tokens,
        max_output_tokens=figures.max_output_tokens,
        encoding=figures.encoding,
        ratio_percent=figures.ratio_percent,
        message_tokens=figures.message_tokens,
        assistant_tokens=figures.assistant_tokens,
        reply_tokens=figures.reply_tokens,
        prologue_tokens=figures.prologue_tokens,
        image_tokens=figures.image_tokens,
        price=figures.price or model_id,
        parameters=None if parameters == "all" else frozenset(parameters or ()),
        own_parameters=parameters is not None,
        fallback=fallback,
    )


def _fallbacks(file: _File) -> dict[str, str]:
    """Which model takes over from each known one; `fallback = ""` is none, whatever the default says.

    Raises:
        ValueError: They go in a circle.
    """
    own = {known.id: known.fallback for known in file.models}
    default = file.default.fallback or ""
    # From where the default leads, nothing leads back to it.
    end = set(_chain(default, own))
    fallbacks = {
        model_id: fallback if fallback is not None else "" if model_id in end else default
        for model_id, fallback in own.items()
    }
    for model_id in fallbacks:
        _chain(model_id, fallbacks)
    return fallbacks


def _chain(model_id: str, fallbacks: Mapping[str, str | None]) -> list[str]:
    chain: list[str] = []
    while model_id:
        if model_id in chain:
            raise ValueError(f"models.fallback of {model_id!r} leads back to itself: let the last model have none.")
        chain.append(model_id)
        model_id = fallbacks.get(model_id) or ""
    return chain
