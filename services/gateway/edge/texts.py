"""What texts in all requests have in common. Pure."""

import re

import msgspec

from services.gateway.edge.body import wrong

# C0 controls but tab, line feed and carriage return; surrogates without their other half.
_BROKEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class TextPart(msgspec.Struct):
    """A part of a text; parts of other types are refused."""

    type: str
    text: str | None = None


def joined(field: str, parts: list[TextPart]) -> str:
    """The text of the parts, a line each.

    Raises:
        InvalidRequestError: A part is no text.
    """
    texts = []
    for index, part in enumerate(parts):
        if part.type != "text":
            raise wrong(f"{field}[{index}].type", "part")
        if part.text is None:
            raise wrong(f"{field}[{index}].text", "missing")
        texts.append(part.text)
    return "\n".join(texts)


def clean(field: str, text: str) -> str:
    """The text, as it came.

    Raises:
        InvalidRequestError: It contains what no text contains.
    """
    if _BROKEN.search(text):
        raise wrong(field, "characters")
    return text
