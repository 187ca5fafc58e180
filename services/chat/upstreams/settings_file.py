"""Reads `upstreams.toml`, and refuses what is unknown, of the wrong kind, or makes no sense; it repeats no key."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from pydantic import SecretStr

from services.chat.upstreams.kinds import kinds
from services.chat.upstreams.settings import (
    BreakerSettings,
    HedgingSettings,
    ProviderSettings,
    Role,
    UpstreamSettings,
)
from services.runtime.errors import ConfigurationError

# What stands in the header for a provider that asks for no key.
_NO_KEY = SecretStr("none")

# A key that is anything else cannot travel in a header.
_KEY = re.compile(r"[!-~]+")

_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
_ModelId = Annotated[str, Meta(min_length=1, max_length=200)]
_Timeout = Annotated[float, Meta(gt=0, le=3600)]
_Rate = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    name: _Name
    base_url: str
    keys: list[str] = []
    weight: Annotated[int, Meta(ge=1, le=1000)] = 1
    role: Role = Role.MAIN
    models: list[_ModelId] | dict[_ModelId, _ModelId] | None = None
    requests_per_minute: _Rate | None = None
    tokens_per_minute: _Rate | None = None
    connect_timeout_s: _Timeout = 5.0
    first_token_timeout_s: _Timeout = 30.0
    silence_timeout_s: _Timeout = 60.0
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    kind: str = ""


class _Hedging(msgspec.Struct, forbid_unknown_fields=True):
    enabled: bool = False
    min_samples: Annotated[int, Meta(ge=5, le=200)] = 20
    share_percent_max: Annotated[int, Meta(ge=1, le=100)] = 5


class _Breaker(msgspec.Struct, forbid_unknown_fields=True):
    failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    open_s: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    providers: Annotated[list[_Provider], Meta(min_length=1)]
    hedging: _Hedging = msgspec.field(default_factory=_Hedging)
    breaker: _Breaker = msgspec.field(default_factory=_Breaker)


def read_upstreams(path: Path, environ: Mapping[str, str]) -> UpstreamSettings:
    """Read the file, and the keys that it refers to.

    Args:
        path: The file; `upstreams.toml` beside this module describes it.
        environ: Where `env:NAME` is looked up.

    Raises:
        ConfigurationError: Something is missing or wrong; the sentence names the file and the field, and never a key.
    """
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        for index, provider in enumerate(file.providers):
            provider.base_url = _base_url(provider.base_url, f"providers[{index}].base_url", environ)
        _demand_sense(file.providers)
        providers = tuple(_provider(provider, index, environ) for index, provider in enumerate(file.providers))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}): check UPSTREAMS_FILE.") from None
    except (ValueError, msgspec.ValidationError) as error:
        # Also what is no TOML, or no UTF-8.
        raise ConfigurationError(f"{path} is wrong: {str(error).replace('`$.', '`')}") from None
    hedging, breaker = file.hedging, file.breaker
    return UpstreamSettings(
        providers,
        HedgingSettings(hedging.enabled, hedging.min_samples, hedging.share_percent_max),
        BreakerSettings(breaker.failures, breaker.open_s),
    )


def _demand_sense(providers: list[_Provider]) -> None:
    names = Counter(provider.name for provider in providers)
    for index, provider in enumerate(providers):
        where = f"providers[{index}]"
        if names[provider.name] > 1:
            raise ValueError(f"{where}.name is used twice: give each provider its own.")
        if provider.models is not None and not provider.models:
            raise ValueError(f"{where}.models is empty: name models, or leave it out to serve what the provider lists.")
        if provider.kind and provider.kind not in kinds().takes:
            raise ValueError(f"{where}.kind must be one of {', '.join(kinds().takes)}.")
        if provider.first_token_timeout_s > provider.silence_timeout_s:
            raise ValueError(f"{where}.first_token_timeout_s must be at most silence_timeout_s.")


def _provider(provider: _Provider, index: int, environ: Mapping[str, str]) -> ProviderSettings:
    models = provider.models
    return ProviderSettings(
        name=provider.name,
        base_url=provider.base_url,
        keys=tuple(
            _key(reference, f"providers[{index}].keys[{at}]", environ) for at, reference in enumerate(provider.keys)
        )
        or (_NO_KEY,),
        weight=provider.weight,
        role=provider.role,
        models={model_id: model_id for model_id in models} if isinstance(models, list) else models,
        requests_per_minute=provider.requests_per_minute,
        tokens_per_minute=provider.tokens_per_minute,
        connect_timeout_s=provider.connect_timeout_s,
        first_token_timeout_s=provider.first_token_timeout_s,
        silence_timeout_s=provider.silence_timeout_s,
        max_tokens_field=provider.max_tokens_field,
        kind=provider.kind or kinds().of_address(provider.base_url),
    )


def _base_url(address: str, where: str, environ: Mapping[str, str]) -> str:
    """The address, which may be in a variable: of a server beside us, where it listens is known late."""
    kind, _, name = address.partition(":")
    if kind == "env":
        address = environ.get(name, "")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'{where} must begin with https:// or http://, or be "env:NAME" of a variable that does.')
    return address


def _key(reference: str, where: str, environ: Mapping[str, str]) -> SecretStr:
    """The key that is referred to.

    Raises:
        ValueError: There is none; the message repeats what was referred to, never what was found.
    """
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        key, what = environ.get(name, ""), f"the variable {name}"
    elif kind == "file" and name:
        what = f"the file {name}"
        try:
            key = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"{where} names {what}, which cannot be read: put the key there.") from None
    else:
        raise ValueError(f'{where} must say where the key is: "env:NAME" or "file:/path", never the key itself.')
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise ValueError(f"{where} names {what}, which holds no key: put the key there, and nothing else.")
    return SecretStr(key)
