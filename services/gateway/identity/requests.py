"""The public requests to log in. Pure."""

import msgspec

from services.gateway.edge.body import fit, parse, wrong
from services.gateway.edge.texts import clean

_SECRET_CHARACTERS_MAX = 512


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """A login with WeChat: `code` is what `wx.login` gave."""

    code: str


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    """The refresh token of a session."""

    refresh_token: str


def login_code(raw: bytes) -> str:
    """The code of a login.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _secret("code", fit(parse(raw), LoginBody).code)


def refresh_token(raw: bytes) -> str:
    """The token of a refresh.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _secret("refresh_token", fit(parse(raw), RefreshBody).refresh_token)


def _secret(field: str, secret: str) -> str:
    if not secret:
        raise wrong(field, "empty")
    if len(secret) > _SECRET_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_SECRET_CHARACTERS_MAX)
    return clean(field, secret)
