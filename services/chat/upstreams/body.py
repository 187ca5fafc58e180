"""The body of a request for an answer. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.chat.domain import Message, Model, Options
from services.chat.upstreams.parameters import taken


def body(
    model: Model, prompt: Sequence[Message], options: Options, *, kind: str, max_tokens_field: str
) -> dict[str, Any]:
    """Everything but `model` and `stream`; a parameter that nobody gave is left out, so it stays the provider's.

    Args:
        model: Who is asked.
        prompt: The messages; one that is more than text goes as it came.
        options: How to answer; further parameters go as they came, those that the provider takes.
        kind: The provider's kind.
        max_tokens_field: What the provider calls the most tokens of an answer.
    """
    ours: dict[str, Any] = {
        max_tokens_field: options.max_output_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "seed": options.seed,
        "stop": list(options.stop) or None,
    }
    return {
        **taken(options.extra_json, model, kind),
        "messages": [_message(message) for message in prompt],
        "stream_options": {"include_usage": True},
        **{name: value for name, value in ours.items() if value is not None},
    }


def _message(message: Message) -> Any:
    if message.json:
        return msgspec.json.decode(message.json)
    return {"role": message.role.value, "content": message.content}
