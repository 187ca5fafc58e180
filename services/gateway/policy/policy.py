"""The policy by kind of client: `policy.toml`. Pure but for reading it."""

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from pathlib import Path

import msgspec

from services.runtime.errors import ConfigurationError

# What a model without an alias is called where names are aliased: as long as it stays, so does its name.
_UNNAMED = "queqiao-"
_DIGITS = 8

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Client(StrEnum):
    """Kinds of clients."""

    MP_ANDROID = "mp-android"
    MP_IOS = "mp-ios"
    APP_ANDROID = "app-android"
    APP_IOS = "app-ios"
    H5 = "h5"
    PROGRAM = "program"


class ModelNames(StrEnum):
    """Whether models are called by their own names."""

    SHOW = "show"
    ALIAS = "alias"


class Code(StrEnum):
    """Whether answers keep their code."""

    SHOW = "show"
    HIDE = "hide"


class Purchases(StrEnum):
    """What may be bought."""

    ANY = "any"
    VIRTUAL = "virtual"
    NONE = "none"


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one kind of client is shown and may do."""

    model_names: ModelNames
    code: Code
    purchase: Purchases
    ai_label: bool


class _Minors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from", "end": "to"}):
    begin: str
    end: str
    purchase: Purchases


class _File(msgspec.Struct, forbid_unknown_fields=True):
    clients: dict[Client, Rules]
    minors: _Minors
    aliases: dict[str, str] = {}


@dataclass(frozen=True)
class Policy:
    """The rules of every kind of client, of minors' mode, and what models are called where names are aliased."""

    rules: Mapping[Client, Rules]
    minors_from: time
    minors_to: time
    minors_purchase: Purchases
    aliases: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> "Policy":
        """Read the file.

        Raises:
            ConfigurationError: It is missing or wrong; the sentence says where.
        """
        try:
            file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
            _demand_sense(file)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read ({error.strerror}): check PLATFORM_POLICY_FILE.") from None
        except (ValueError, msgspec.ValidationError) as error:
            # Also what is no TOML, or no UTF-8.
            raise ConfigurationError(f"{path} is wrong: {str(error).replace('`$.', '`')}") from None
        return cls(
            file.clients,
            time.fromisoformat(file.minors.begin),
            time.fromisoformat(file.minors.end),
            file.minors.purchase,
            file.aliases,
        )

    def may_chat(self, *, minor: bool, now: datetime) -> bool:
        """Whether a user may chat at this moment of UTC+8."""
        return not minor or self.minors_from <= now.time() < self.minors_to

    def purchases(self, client: Client, *, minor: bool) -> Purchases:
        """What a user may buy from this kind of client."""
        return self.minors_purchase if minor else self.rules[client].purchase

    def shown_model(self, model: str, client: Client) -> str:
        """What a model is called to this kind of client."""
        if not model or self.rules[client].model_names is ModelNames.SHOW:
            return model
        alias = self.aliases.get(model)
        if alias is None:
            alias = _UNNAMED + hashlib.sha256(model.encode()).hexdigest()[:_DIGITS]
        return alias

    def is_alias(self, name: str) -> bool:
        """Whether this may be a name that hides a model: then it is worth to look for the model."""
        return name.startswith(_UNNAMED) or name in self.aliases.values()

    def real_model(self, name: str, models: Collection[str]) -> str:
        """The model of these that is called so, by whatever kind of client; the name itself when there is none."""
        if name in models:
            return name
        return next((model for model in models if name in (self.shown_model(model, each) for each in Client)), name)


def _demand_sense(file: _File) -> None:
    missing = [client.value for client in Client if client not in file.clients]
    if missing:
        raise ValueError(f"clients.{missing[0]} is missing: say what it is shown and may do.")
    if len(set(file.aliases.values())) < len(file.aliases):
        raise ValueError("aliases gives two models one name: give each its own.")
    for name, text in (("from", file.minors.begin), ("to", file.minors.end)):
        if not _TIME.fullmatch(text):
            raise ValueError(f'minors.{name} must be a time such as "22:00".')
