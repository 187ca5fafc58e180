"""The public requests to log in, and what texts in all requests have in common. Pure."""

import re

import msgspec

from services.gateway.body import fit, parse, wrong

# C0 controls but tab, line feed and carriage return; surrogates without their other half.
_BROKEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

_SECRET_CHARACTERS_MAX = 512


class _LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class _RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: str


class TextPart(msgspec.Struct):
    """A part of a text; parts of other types are refused."""

    type: str
    text: str | None = None


def login_code(raw: bytes) -> str:
    """The code of a login.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _secret("code", fit(parse(raw), _LoginBody).code)


def refresh_token(raw: bytes) -> str:
    """The token of a refresh.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _secret("refresh_token", fit(parse(raw), _RefreshBody).refresh_token)


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


def _secret(field: str, secret: str) -> str:
    if not secret:
        raise wrong(field, "empty")
    if len(secret) > _SECRET_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_SECRET_CHARACTERS_MAX)
    return clean(field, secret)
