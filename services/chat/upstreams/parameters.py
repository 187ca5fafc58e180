"""Which further parameters reach a provider. Pure."""

from services.chat.domain import Model, Options
from services.chat.texts import parsed
from services.runtime.errors import InvalidRequestError

# What passes unless `models.toml` says otherwise.
USUAL = frozenset(
    {
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "logit_bias",
        "verbosity",
        "modalities",
    }
)

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


def demand_accepted(options: Options, model: Model) -> None:
    """Refuse what the owner does not let pass; of how many answers there are, one always does.

    Raises:
        InvalidRequestError: A parameter is not one that this model takes, or they are no JSON object.
    """
    if not options.extra_json:
        return
    for name, value in parsed(options.extra_json).items():
        if not _passes(name, value, model):
            raise _refused(name[:_NAME_CHARACTERS_MAX], model)


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
