"""Top-ups as the public API knows them. Pure.

Money is int fen (CNY × 10⁻²) here: what a payment provider counts in. Times are whole seconds since 1970 UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Channel(StrEnum):
    """A way to pay."""

    # A mini-program or a page inside WeChat: parameters for wx.requestPayment.
    JSAPI = "jsapi"
    # A browser: a code to scan.
    NATIVE = "native"
    # As JSAPI, over the older API.
    JSAPI_V2 = "jsapi_v2"
    # Virtual goods in a mini-program: parameters for wx.requestVirtualPayment.
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class Package:
    """Something that can be bought; its name is in Chinese and in English.

    Virtual payment has a price of its own; None: it cannot be paid so.
    """

    id: str
    names: tuple[str, str]
    tokens: int
    amount_fen: int
    virtual_amount_fen: int | None
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be bought, and the ways to pay that are configured."""

    packages: tuple[Package, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is bought, a package or, when that is "", a number of tokens; and how it will be paid."""

    channel: Channel
    package_id: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: WeChat's openid, the session key of their last login, and the address that they ask from.

    Whoever has none of WeChat's two has "".
    """

    client_ip: str
    openid: str = ""
    session_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Order:
    """A top-up. `state` is created, paying, paid, refunded or closed; "" when it is newer than we are.

    `parameters` are what the client hands to WeChat, by WeChat's own names; there are none unless it is to be paid.
    """

    id: str
    state: str
    channel: str
    package_id: str
    tokens: int
    amount_fen: int
    refunded_fen: int
    parameters: Mapping[str, str]
    created_s: int
    expires_s: int
    paid_s: int | None


@dataclass(frozen=True, slots=True)
class Callback:
    """What arrived at a payment provider's callback address, as it arrived; header names in lower case."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the provider must be answered, word for word."""

    status: int
    content_type: str
    body: bytes
