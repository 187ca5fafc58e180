"""What is text in a JSON object of OpenAI's API: what people and models read, and moderation must. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from services.runtime.errors import InvalidRequestError

# Deeper objects are no messages and no schemas of tools.
_DEPTH_MAX = 64

# Members whose values say what something is, as long as they look like it.
_KINDS = frozenset({"role", "type", "id", "tool_call_id", "detail", "format"})
_KIND = re.compile(r"[A-Za-z0-9_.:/-]{0,128}")

# Where an image is, or its data. Only there: what a user writes is text, an address too.
_IMAGE = "image_url"
_ADDRESS = re.compile(r"(?:data:|https?://)[!-~]*")


def texts_of(json: str) -> Iterator[str]:
    """Every text in an object, in order; none of "". Where an image is, or its data, is none, nor are ids and types.

    Raises:
        InvalidRequestError: It is no JSON, or nested too deeply.
    """
    if json:
        yield from _texts(parsed(json), _DEPTH_MAX)


def images_of(json: str) -> Iterator[str]:
    """The `detail` of each image in a message ("auto" when it does not say); none of ""."""
    content = parsed(json).get("content") if json else None
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == _IMAGE:
            image = part.get(_IMAGE)
            yield str(image.get("detail", "auto")) if isinstance(image, dict) else "auto"


def calls_of(json: str) -> frozenset[str]:
    """The ids of the calls of tools in a message; none of ""."""
    calls = parsed(json).get("tool_calls") if json else None
    return frozenset(str(call.get("id")) for call in calls or () if isinstance(call, dict))


def call_answered(json: str) -> str:
    """The id of the call whose result a message is; "" when it is none."""
    return str(parsed(json).get("tool_call_id", "")) if json else ""


def parsed(json: str) -> dict[str, Any]:
    """The object.

    Raises:
        InvalidRequestError: It is none.
    """
    try:
        return msgspec.json.decode(json, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequestError("A message or parameter is no JSON object.", fields={"json": "is wrong"}) from None


def _texts(value: object, depth: int, parent: str = "") -> Iterator[str]:
    if depth < 0:
        raise InvalidRequestError("A message or parameter is nested too deeply.", fields={"json": "is too deep"})
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, depth - 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            # Names of properties reach the model, too; those of the API itself are ASCII.
            if not name.isascii():
                yield name
            if not (isinstance(item, str) and _says_nothing(parent, name, item)):
                yield from _texts(item, depth - 1, name)


def _says_nothing(parent: str, name: str, value: str) -> bool:
    if (parent, name) == (_IMAGE, "url"):
        return _ADDRESS.fullmatch(value) is not None
    return name in _KINDS and _KIND.fullmatch(value) is not None
