"""What an order may ask for. Pure."""

import msgspec

from services.gateway.edge.body import fit, parse, wrong
from services.gateway.identity.ids import is_id
from services.gateway.orders.domain import Channel, Purchase

# As payments.proto says.
_TOKENS_MIN, _TOKENS_MAX = 1_000, 100_000_000

_CHANNELS = ", ".join(Channel)


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """A top-up: a package or a number of tokens, and how it will be paid (jsapi, jsapi_v2, native, virtual)."""

    channel: str
    package_id: str | None = None
    tokens: int | None = None


def purchase(raw: bytes) -> Purchase:
    """A package or a number of tokens, and how it will be paid.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    body = fit(parse(raw), OrderBody)
    if body.channel not in tuple(Channel):
        raise wrong("channel", "one_of", allowed=_CHANNELS)
    channel = Channel(body.channel)
    if body.tokens is not None:
        if body.package_id is not None:
            raise wrong("tokens", "one_allowed", other="package_id")
        if not _TOKENS_MIN <= body.tokens <= _TOKENS_MAX:
            raise wrong("tokens", "range", low=_TOKENS_MIN, high=_TOKENS_MAX)
        return Purchase(channel, tokens=body.tokens)
    if body.package_id is None:
        raise wrong("package_id", "one_needed", other="tokens")
    if not is_id(body.package_id):
        raise wrong("package_id", "id")
    return Purchase(channel, body.package_id)


def idempotency_key(header: str | None, otherwise: str) -> str:
    """The header `Idempotency-Key`, or another id when it is absent.

    Raises:
        InvalidRequestError: It is no such key.
    """
    if header is None:
        return otherwise
    if not is_id(header):
        raise wrong("Idempotency-Key", "id")
    return header
