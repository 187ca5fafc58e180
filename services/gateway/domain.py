"""What the gateway translates between. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

_MICROS_PER_YUAN = 1_000_000


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


def yuan(micros: int) -> str:
    """An exact decimal of yuan, with two decimals at least: 9_980_000 is "9.98", 1 is "0.000001"."""
    whole, fraction = divmod(abs(micros), _MICROS_PER_YUAN)
    decimals = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals}"
