"""Which questions may share an answer. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping

import msgspec

from services.chat.domain import Message, Model, Place, Question, Role

# Longer questions are texts of the user's own; nobody else asks them.
_QUESTION_CHARACTERS_MAX = 2_000

_BLANKS = re.compile(r"[ \t]+")

# Parameters of which an answer is no answer to anybody else, or has parts that are not kept.
_UNSHARED = ('"tools"', '"logprobs"')

# Full-width forms of ASCII, and the ideographic space, are typed for the same characters.
_WIDTHS: Mapping[int, int] = {0x3000: 0x20} | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def key(question: Question, history: tuple[Message, ...], model: Model, version: str) -> str | None:
    """What names the shared answer; None for a question that shares none.

    Only a question without history is shared, of words alone and without tools. Everything that shapes the answer is
    part of the key: tenant, model, system messages, parameters, and the `version` of moderation that lets it pass.
    """
    *before, last = question.messages or (Message(Role.USER, ""),)
    if (
        history
        or question.place != Place()
        or last.role is not Role.USER
        or any(message.role is not Role.SYSTEM for message in before)
        or any(message.json for message in question.messages)
        or any(name in question.options.extra_json for name in _UNSHARED)
        or not 0 < len(last.content) <= _QUESTION_CHARACTERS_MAX
    ):
        return None
    parts = (
        question.tenant,
        model.id,
        version,
        [message.content for message in before],
        normalised(last.content),
        question.options,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def normalised(text: str) -> str:
    """The text without differences that people do not mean: composition, widths, blanks around it and between words.

    Case stays, and so do the line breaks and indents of texts of several lines: in code they mean something.
    """
    text = unicodedata.normalize("NFC", text).translate(_WIDTHS).strip()
    return text if "\n" in text else _BLANKS.sub(" ", text)
