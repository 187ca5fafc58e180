"""Who somebody is: principals, their tokens, and what WeChat says of them. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks; `openid` is WeChat's id of a user who came from WeChat, "" of anybody else."""

    user_id: str
    openid: str = field(default="", repr=False)


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
