"""What the gateway translates between. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a question."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """How an answer is generated; None and () leave it to the provider."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; an empty `model` is the default one, an empty `conversation_id` is a turn without memory."""

    messages: tuple[Message, ...]
    model: str = ""
    conversation_id: str = ""
    parameters: Parameters = field(default_factory=Parameters)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks; `openid` is WeChat's id of a user who came from WeChat, "" of anybody else."""

    user_id: str
    openid: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Started:
    """Event: the turn was admitted and the model has been asked."""

    conversation_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Delta:
    """Event: more of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Completed:
    """Event: the answer is whole. `finish_reason` is in OpenAI's words: stop or length."""

    finish_reason: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


Event = Started | Delta | Completed


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked; `created_s` in seconds since 1970 UTC, 0 when nobody knows."""

    id: str
    created_s: int
    owned_by: str


@dataclass(frozen=True, slots=True)
class Category:
    """What was found of a kind of content: whether a layer refuses for it, and how sure the layers are, 0 to 1."""

    flagged: bool
    score: float


@dataclass(frozen=True, slots=True)
class Moderation:
    """What all layers say of a text.

    `layer` is who refuses (lexicon, wechat or openai; "" nobody does) and `label` what for, as a WeChat label code (0:
    nothing). `categories` has those that anything was found of, by name.
    """

    refused: bool
    layer: str
    label: int
    categories: Mapping[str, Category]


@dataclass(frozen=True, slots=True)
class Wallet:
    """A prepaid wallet, in micro-yuan (CNY × 10⁻⁶); available is balance less reserved."""

    balance_micros: int = 0
    reserved_micros: int = 0
    available_micros: int = 0


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


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list: at most `limit` items, after the cursor that the page before ended with; "": the first."""

    limit: int
    after: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """A page of a list; an empty `next_cursor` says that it is the last."""

    items: tuple[ItemT, ...]
    next_cursor: str
