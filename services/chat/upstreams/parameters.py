"""Which further parameters reach a provider. Pure but for the kinds of providers, which are read once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from services.chat.domain import Model, Options
from services.chat.texts import parsed
from services.chat.upstreams.kinds import kinds
from services.runtime.errors import InvalidRequestError

# What is ours to say, in `Options` and in what goes with every question.
_OURS = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "stop",
    }
)

# How much of a name that a user made up is repeated.
_NAME_CHARACTERS_MAX = 64


def accepted(options: Options, model: Model) -> tuple[Options, tuple[str, ...]]:
    """The options that this model takes, and the names of the parameters that had to be left out.

    Raises:
        InvalidRequestError: A parameter is not one that this model takes, and not one that can be left out either; or
            they are no JSON object. Of how many answers there are, one always is.
    """
    if not options.extra_json:
        return options, ()
    given = parsed(options.extra_json)
    dropped = tuple(name for name, value in given.items() if not _passes(name, value, model))
    for name in dropped:
        if name in _OURS or name == "n" or name not in kinds().harmless:
            raise _refused(name[:_NAME_CHARACTERS_MAX], model)
    kept = {name: value for name, value in given.items() if name not in dropped}
    if not dropped:
        return options, ()
    return replace(options, extra_json=msgspec.json.encode(kept).decode() if kept else ""), dropped


def taken(extra_json: str, model: Model, kind: str) -> Mapping[str, Any]:
    """The further parameters that reach a provider of this kind: one that takes over may take fewer."""
    given = parsed(extra_json) if extra_json else {}
    if model.own_parameters:
        return given
    takes = kinds().takes[kind]
    return {name: value for name, value in given.items() if name in takes or name == "n"}


def _passes(name: str, value: object, model: Model) -> bool:
    if name == "n":
        return type(value) is int and value == 1
    return name not in _OURS and (model.parameters is None or name in model.parameters)


def _refused(name: str, model: Model) -> InvalidRequestError:
    passing = "any other" if model.parameters is None else ", ".join(sorted(model.parameters - _OURS)) or "none"
    if name == "n":
        what = "can only be 1"
    elif name in _OURS:
        what = "is not a further parameter"
    else:
        what = "is not taken by this model"
    return InvalidRequestError(
        f"This parameter {what}; {model.id} takes these further ones: {passing}.",
        metadata={"problem": "parameter", "parameter": name},
        fields={name: what},
    )
