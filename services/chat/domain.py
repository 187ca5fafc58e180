"""What a turn is made of. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who wrote a message, in the words of the OpenAI API."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One message and its weight.

    `tokens` is the count of `content` alone in `encoding`; it is kept so that history is never counted again.
    """

    role: Role
    content: str
    tokens: int = 0
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Options:
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
    """What one turn is asked to do.

    `conversation_id` is empty for a turn without memory, `openid` for a user who is not from WeChat.
    """

    request_id: str
    user_id: str
    conversation_id: str
    model: str
    messages: tuple[Message, ...]
    options: Options
    openid: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """What is known about a model.

    `ratio_percent` is how many tokens of the model one token of `encoding` can be at most, in percent: 100 where
    the encoding is the model's own.
    """

    id: str
    context_tokens: int
    max_output_tokens: int
    encoding: str
    ratio_percent: int = 100
    created_s: int = 0
    owned_by: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn; `cached_input` are part of `input`."""

    input: int
    output: int
    cached_input: int = 0


class FinishReason(StrEnum):
    """Why an answer ended, in the words of the OpenAI API."""

    STOP = "stop"
    LENGTH = "length"


class Outcome(StrEnum):
    """How a turn ended, for its receipt."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the provider sent at once: any part may be absent."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement of moderation; `layer` (lexicon, wechat, openai) is empty when nothing was refused."""

    refused: bool
    layer: str = ""
    label: int = 0


class Review(StrEnum):
    """When remote layers of moderation are asked: not at all, beside the model, or before anything goes on."""

    NONE = "none"
    BESIDE = "beside"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """How remote layers are asked about an answer: in passages, all or those that the lexicon referred.

    A passage has so many characters or a few more, and begins with the last ones of that before it.
    """

    review: Review = Review.NONE
    referred_only: bool = False
    passage_characters: int = 200
    overlap_characters: int = 20


@dataclass(frozen=True, slots=True)
class InputCheck:
    """The lexicon's judgement of a question, and what is still to be asked of the remote layers."""

    verdict: Verdict
    review: Review = Review.NONE
    output: OutputPlan = OutputPlan()


@dataclass(frozen=True, slots=True)
class Screened:
    """How many characters of a window may be released now, the judgement, and whether remote layers should see them."""

    released_characters: int
    verdict: Verdict
    referred: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """Event: the turn is admitted and the model is asked."""

    conversation_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Delta:
    """Event: more of the answer, screened."""

    text: str


@dataclass(frozen=True, slots=True)
class Completed:
    """Event: the answer is whole and paid for."""

    finish_reason: FinishReason
    usage: Usage
    charged_micros: int


Event = Started | Delta | Completed
