"""Who somebody is: principals, their tokens, and what WeChat says of them. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks; `openid` is WeChat's id of a user who came from WeChat, "" of anybody else.

    `minor` says that the user is in minors' mode.
    """

    user_id: str
    openid: str = field(default="", repr=False)
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A user of WeChat who has come in; `comes_back` under a new id: what they had before was erased, lately."""

    user_id: str
    comes_back: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a logged-in client holds; `expires_in_s` is the access token's."""

    user_id: str
    access_token: str
    expires_in_s: int
    refresh_token: str


@dataclass(frozen=True, slots=True)
class PlatformSession:
    """WeChat's answer to a login: who it is, and the key that signs for them; "" when WeChat gave none."""

    openid: str
    session_key: str = field(default="", repr=False)


class Scope(StrEnum):
    """What a request does, and so what an API key can be for."""

    # Turns, their streams, models, moderation.
    CHAT = "chat"
    CONVERSATIONS = "conversations"
    # Reading the wallet: balance, transactions, receipts, usage, prices.
    WALLET = "wallet"
    # Spending real money: top-ups.
    ORDERS = "orders"
    # Issuing and revoking API keys, deleting the account.
    ACCOUNT = "account"


ALL_SCOPES = frozenset(Scope)

# What a key is for whose scopes nobody named; who issued it by the command line could do all but manage the account.
KEY_SCOPES = ALL_SCOPES - {Scope.ACCOUNT}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, what they may do, and whether it is a program with an API key."""

    user_id: str
    scopes: frozenset[Scope] = ALL_SCOPES
    by_key: bool = False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as its owner may see it: never the key itself.

    Times are in seconds since 1970 UTC; `expires_s` 0 is never, `last_used_s` 0 not yet.
    """

    id: str
    name: str
    prefix: str
    scopes: frozenset[Scope]
    created_s: int
    expires_s: int = 0
    last_used_s: int = 0
