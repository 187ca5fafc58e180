"""The public requests to log in. Pure."""

import msgspec

from services.gateway.edge.body import fit, parse, wrong
from services.gateway.edge.texts import clean

_SECRET_CHARACTERS_MAX = 512


class _LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class _RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: str


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


def _secret(field: str, secret: str) -> str:
    if not secret:
        raise wrong(field, "empty")
    if len(secret) > _SECRET_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_SECRET_CHARACTERS_MAX)
    return clean(field, secret)
