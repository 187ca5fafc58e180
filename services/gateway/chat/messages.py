"""The messages of a chat completion that is asked for. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.gateway.chat.domain import Message, Role
from services.gateway.edge.body import shown, wrong
from services.gateway.edge.texts import TextPart, clean, joined

_MESSAGES_MAX = 256
_DEPTH_MAX = 32

_ROLES: Mapping[str, Role] = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
}

# Members of a message that are said by its text alone; of those beside it, what the official clients send back with an
# answer of their own.
_PLAIN = frozenset({"role", "content"})
_EMPTY: Mapping[str, tuple[object, ...]] = {
    "name": ("",),
    "refusal": (None, ""),
    "tool_calls": (None, []),
    "annotations": (None, []),
    "audio": (None,),
    "reasoning_content": (None, ""),
}


def messages(bodies: list[dict[str, Any]]) -> tuple[Message, ...]:
    """The messages.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    if not bodies:
        raise wrong("messages", "empty")
    if len(bodies) > _MESSAGES_MAX:
        raise wrong("messages", "too_many", limit=_MESSAGES_MAX)
    return tuple(_message(f"messages[{index}]", body) for index, body in enumerate(bodies))


def _message(path: str, body: dict[str, Any]) -> Message:
    if "role" not in body:
        raise wrong(f"{path}.role", "missing")
    role = _ROLES.get(body["role"]) if isinstance(body["role"], str) else None
    if role is None:
        raise wrong(f"{path}.role", "role")
    if "function_call" in body:
        raise wrong(f"{path}.function_call", "unsupported")
    content = body.get("content", "")
    if not isinstance(content, str | list):
        raise wrong(f"{path}.content", "type", expected="string / array", got=type(content).__name__)
    # What a model thought is not sent back to it.
    rest = {name: value for name, value in body.items() if name != "reasoning_content"}
    more = [name for name, value in rest.items() if name not in _PLAIN and value not in _EMPTY.get(name, ())]
    if not more and role is not Role.TOOL and (parts := _texts(content)) is not None:
        text = content if isinstance(content, str) else joined(f"{path}.content", parts)
        if not text and role is not Role.ASSISTANT:
            raise wrong(f"{path}.content", "empty")
        return Message(role, clean(f"{path}.content", text))
    demand_clean(path, rest)
    return Message(role, "", msgspec.json.encode(rest).decode())


def _texts(content: str | list[Any]) -> list[TextPart] | None:
    """The parts of a content that is text alone; none of a plain one; None when there is more than text in it."""
    if isinstance(content, str):
        return []
    if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
        return None
    return [TextPart("text", part["text"] if isinstance(part.get("text"), str) else None) for part in content]


def demand_clean(path: str, value: object, depth: int = 0) -> None:
    """Refuse an object that contains, anywhere, what no text contains.

    Raises:
        InvalidRequestError: It does, or it is nested too deeply.
    """
    if depth > _DEPTH_MAX:
        raise wrong("", "too_deep")
    if isinstance(value, str):
        clean(path, value)
    elif isinstance(value, dict):
        for name, item in value.items():
            clean(f"{path}.{shown(name)}", name)
            demand_clean(f"{path}.{shown(name)}", item, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            demand_clean(f"{path}[{index}]", item, depth + 1)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        raise wrong(path, "number")
