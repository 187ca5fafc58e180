"""`docs/configuration.md` from the settings classes: every variable that a service or a command reads.

python -m k8s.configuration > docs/configuration.md
"""

import sys
import types
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

import services.billing.config as billing
import services.chat.config as chat
import services.cli.config as cli
import services.gateway.config as gateway
import services.moderation.config as moderation
from services.runtime.config import GrpcServiceSettings, MeshSettings, ServiceSettings

SERVICES: Mapping[str, type[ServiceSettings]] = {
    "gateway": gateway.GatewaySettings,
    "chat": chat.ChatSettings,
    "moderation": moderation.ModerationSettings,
    "billing": billing.BillingSettings,
}
# What `queqiao` reads besides; services read none of it.
COMMANDS: Mapping[str, type[MeshSettings]] = {
    "migrate": cli.MigrationSettings,
    "keys": gateway.KeySettings,
    "models": chat.CommandSettings,
    "lexicon, screener, audit": moderation.CommandSettings,
    "all other commands about money": billing.CommandSettings,
}

_ROOT = Path(__file__).parents[1]
_RUNTIME = (MeshSettings, ServiceSettings, GrpcServiceSettings)

_UNITS = {
    "_per_minute": "a minute",
    "_micros": "µCNY",
    "_bytes_max": "bytes",
    "_tokens_max": "tokens",
    "_days": "days",
    "_s": "s",
}
_TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text", SecretStr: "text"}

_HEAD = """# Configuration

Written by `make configuration-doc` from the settings classes; `make check` compares. Everything is told by the
environment; what is empty counts as not set, and unknown variables are ignored. A variable whose default is
**required** must be set.

A service that is configured wrongly starts nothing: it names every variable that is missing or wrong, or that another
asks for, never its value, and ends with exit status 2. What is inside the files that variables name is read after that.
When something that a service needs is away it ends with status 1: starting it again helps as soon as that is back.

Secrets belong into a Secret or a vault; they are redacted in every log. A file of providers (`UPSTREAMS_FILE`) may
refer to further variables as `"env:NAME"`; those of its keys are secret too. Calls to model providers go through
`HTTPS_PROXY` and `NO_PROXY` where these are set.
"""


def own(settings: type[MeshSettings]) -> dict[str, FieldInfo]:
    """What a class has that every service does not have, or has in its own way."""
    classes = [each for each in settings.__mro__ if issubclass(each, MeshSettings) and each not in _RUNTIME]
    names = {name for each in classes for name in vars(each).get("__annotations__", {})}
    return {name: field for name, field in settings.model_fields.items() if name in names}


def variables(settings: type[MeshSettings]) -> dict[str, FieldInfo]:
    """Everything that a class reads, by the names of the environment."""
    return {name.upper(): field for name, field in settings.model_fields.items()}


def is_secret(field: FieldInfo) -> bool:
    """Whether the value must not be seen."""
    return SecretStr in _parts(field.annotation)


def is_path(field: FieldInfo) -> bool:
    """Whether the value names a file or a folder."""
    return Path in _parts(field.annotation)


def document() -> str:
    """The whole page."""
    grpc = {name: GrpcServiceSettings.model_fields[name] for name in vars(GrpcServiceSettings)["__annotations__"]}
    sections = [_section("every service", ServiceSettings.model_fields)]
    sections += [_section("chat, moderation and billing", grpc)]
    sections += [_section(name, own(settings)) for name, settings in SERVICES.items()]
    sections += [_section(f"queqiao: {names}", own(settings)) for names, settings in COMMANDS.items()]
    mtls = "\nCommands read `TLS_CERT_FILE`, `TLS_KEY_FILE` and `TLS_CA_FILE` as services do.\n"
    return _HEAD + "".join(sections) + mtls


def _section(title: str, fields: Mapping[str, FieldInfo]) -> str:
    head = f"\n## {title}\n\n| variable | type | default | unit | secret | meaning |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(_row(name, field))} |\n" for name, field in fields.items())


def _row(name: str, field: FieldInfo) -> Iterable[str]:
    unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), "–")
    secret = "yes" if is_secret(field) else "no"
    return (
        f"`{name.upper()}`",
        _type(field),
        _default(field),
        unit,
        secret,
        (field.description or "").replace("|", "\\|"),
    )


def _type(field: FieldInfo) -> str:
    parts = _parts(field.annotation)
    if get_origin(field.annotation) is tuple:
        return "list, with commas"
    if is_path(field):
        return "path"
    if pattern := next(filter(None, (getattr(limit, "pattern", None) for limit in field.metadata)), None):
        return ", ".join(f"`{each}`" for each in pattern.strip("^()$").split("|"))
    for part in parts:
        if isinstance(part, type) and issubclass(part, StrEnum):
            return ", ".join(f"`{each.value}`" for each in part)
    return next(name for kind, name in _TYPES.items() if kind in parts) + _limits(field)


def _limits(field: FieldInfo) -> str:
    """What the value must keep to, such as ` ≥ 1, ≤ 600`."""
    signs: tuple[tuple[str, Literal["≥", "≤", ">"]], ...] = (("ge", "≥"), ("gt", ">"), ("le", "≤"))
    limits = [
        f"{sign} {value:,}".replace(",", " ")
        for limit in field.metadata
        for name, sign in signs
        if (value := getattr(limit, name, None)) is not None
    ]
    return " " + ", ".join(limits) if limits else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value: Any = field.default
    if isinstance(value, Path):
        return f"`{value.relative_to(_ROOT)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", ()):
        return "–"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation is made of."""
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is not None:
        return tuple(part for each in get_args(annotation) for part in _parts(each))
    return (annotation,)


if __name__ == "__main__":
    sys.stdout.write(document())
