"""A conversation as a document that leaves the product: with the visible and the implicit AI label. Pure.

The visible label stands at the beginning and the end, the implicit one in the document's metadata, as the measures for
labelling generated content (人工智能生成合成内容标识办法) and GB 45438-2025 want it since 2025-09-01. The wrapper
`AIGC` follows the standard's annex; its reserved codes are left empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from services.gateway.chat.domain import Role
from services.gateway.conversations.domain import Conversation, ConversationMessage
from services.gateway.edge.queries import CHINA
from services.gateway.policy.view import View

_LABEL = "1"


@dataclass(frozen=True, slots=True)
class Line:
    """One message as it may be shown: who speaks (user, assistant, system, tool), what, by which model, when."""

    role: str
    text: str
    model: str
    created_s: int


@dataclass(frozen=True, slots=True)
class Document:
    """A conversation to be written down; `aigc` is the implicit label."""

    title: str
    label: str
    lines: Sequence[Line]
    aigc: Mapping[str, Any]


def newest_branch(messages: Sequence[ConversationMessage], newest: int) -> list[ConversationMessage]:
    """The messages that lead to the newest one, the oldest first: of answers written anew, only the last."""
    by_number = {message.number: message for message in messages}
    branch: list[ConversationMessage] = []
    number = newest
    # A parent is always older, so this ends.
    while (message := by_number.get(number)) is not None:
        branch.append(message)
        if message.parent >= number:
            break
        number = message.parent
    return branch[::-1]


def document(
    conversation: Conversation, messages: Sequence[ConversationMessage], view: View, producer: str
) -> Document:
    """The newest branch, as this client may see it."""
    lines = [
        Line(
            message.role.value,
            view.text(message.content) if message.role is Role.ASSISTANT else message.content,
            view.model(message.model),
            message.created_s,
        )
        for message in newest_branch(messages, conversation.newest)
        if message.content
    ]
    label = {
        "Label": _LABEL,
        "ContentProducer": producer,
        "ProduceID": conversation.id,
        "ReservedCode1": "",
        "ContentPropagator": producer,
        "PropagateID": conversation.id,
        "ReservedCode2": "",
    }
    return Document(conversation.title or conversation.id, view.label, lines, {"AIGC": label})


def as_json(found: Document) -> bytes:
    """For programs."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                **found.aigc,
                "title": found.title,
                "label": found.label,
                "messages": [
                    {"role": line.role, "content": line.text, "model": line.model or None, "created_at": line.created_s}
                    for line in found.lines
                ],
            }
        ),
        indent=2,
    )


def as_markdown(found: Document, names: Mapping[str, str]) -> bytes:
    """For people: `names` says what each role is called. The implicit label is in the front matter."""
    aigc = msgspec.json.encode(found.aigc["AIGC"]).decode()
    parts = [f"---\nAIGC: {aigc}\n---\n", f"# {_one_line(found.title)}\n", f"> {found.label}\n"]
    parts += [f"## {heading(line, names)}\n\n{line.text.rstrip()}\n" for line in found.lines]
    parts.append(f"---\n\n> {found.label}\n")
    return "\n".join(parts).encode("utf-8", "replace")


def heading(line: Line, names: Mapping[str, str]) -> str:
    """Who said it, and when."""
    who = names.get(line.role, line.role)
    if line.model:
        who = f"{who} ({line.model})"
    return f"{who} | {datetime.fromtimestamp(line.created_s, CHINA):%Y-%m-%d %H:%M}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
