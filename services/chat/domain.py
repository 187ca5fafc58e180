"""What a turn is made of. Pure."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec


class Role(StrEnum):
    """Who wrote a message, in the words of the OpenAI API."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Message:
    """One message and its weight.

    `content` is everything in it that is text. `json` is the whole message as OpenAI's API has it, when it is more
    than text (images, tool calls, a tool's result, a name), else "". `tokens` is what the message weighs in `encoding`
    without its framing; it is kept so that history is never counted again. `number` is its own in its conversation; of
    a summary, the number of the last message that it covers; 0 of a new message.
    """

    role: Role
    content: str
    tokens: int = 0
    encoding: str = ""
    json: str = ""
    number: int = 0


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
    # Further parameters of OpenAI's API, as a JSON object; "" none.
    extra_json: str = ""


class Where(StrEnum):
    """Where in a conversation a turn takes place: after its newest message, or at the message with a number."""

    NEWEST = "newest"
    AFTER = "after"
    REGENERATE = "regenerate"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn takes place; `number` is 0 for the newest message, and for AFTER nothing at all."""

    where: Where = Where.NEWEST
    number: int = 0


class CachePolicy(StrEnum):
    """What a turn may do with the answer cache: use it, only renew what is in it, or neither."""

    USE = "use"
    REFRESH = "refresh"
    NO_STORE = "no_store"


@dataclass(frozen=True, slots=True)
class Question:
    """What one turn is asked to do.

    `conversation_id` is empty for a turn without memory, `openid` for a user who is not from WeChat. `attempt` counts
    the reservations that were given back before this one: each has a name of its own in the ledger.
    """

    request_id: str
    user_id: str
    conversation_id: str
    model: str
    messages: tuple[Message, ...]
    options: Options
    openid: str = ""
    place: Place = Place()
    tenant: str = ""
    cache: CachePolicy = CachePolicy.USE
    attempt: int = 0

    @property
    def ledger_id(self) -> str:
        """What billing knows this turn by."""
        return f"{self.request_id}-{self.attempt}" if self.attempt else self.request_id


@dataclass(frozen=True, slots=True)
class Model:
    """What is known about a model.

    `ratio_percent` is how many tokens of the model one token of `encoding` can be at most, in percent: 100 where
    the encoding is the model's own. `message_tokens` frame each message, one of the model's own by `assistant_tokens`
    more, and `reply_tokens` the answer; `prologue_tokens` come before a prompt that has no system message.
    `image_tokens` is the most that an image counts. `price` is the name of its price in billing. `parameters` are
    the further parameters that reach a provider; None lets all pass; `own_parameters` says that the owner named them,
    rather than the kinds of its providers. `fallback` is the model that takes over when no provider of this one
    answers; "" none. `known` says that models.toml knows it.
    """

    id: str
    context_tokens: int
    max_output_tokens: int
    encoding: str
    ratio_percent: int = 100
    created_s: int = 0
    owned_by: str = ""
    message_tokens: int = 4
    assistant_tokens: int = 0
    reply_tokens: int = 3
    prologue_tokens: int = 0
    image_tokens: int = 1500
    price: str = ""
    parameters: frozenset[str] | None = frozenset()
    own_parameters: bool = False
    fallback: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn; `cached_input` are part of `input`, and `reasoning` of `output`."""

    input: int
    output: int
    cached_input: int = 0
    reasoning: int = 0


class FinishReason(StrEnum):
    """Why an answer ended, in the words of the OpenAI API."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How a turn ended, for its receipt."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REFUSED = "refused"


class Channel(StrEnum):
    """What a piece of an answer is: the answer itself, what the model thinks before it, or arguments of a tool call."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"


class ToolCall(msgspec.Struct, frozen=True):
    """Which tool call a piece belongs to; `id` and `name` come with its first piece only."""

    index: int
    id: str = ""
    name: str = ""


class Piece(msgspec.Struct, frozen=True):
    """A piece of an answer, of one channel; `tool` is set for tool calls alone."""

    text: str
    channel: Channel = Channel.TEXT
    tool: ToolCall | None = None

    def continues(self, before: "Piece") -> bool:
        """Whether it goes on with what the piece before it began."""
        if self.channel is not before.channel:
            return False
        if self.tool is None or before.tool is None:
            return True
        return self.tool.index == before.tool.index and not (self.tool.id or self.tool.name)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the provider sent at once: any part may be absent.

    `logprobs` has, for each token of the text, the JSON object in which OpenAI's API tells its likelihood.
    `lost_calls` are other calls for the same answer that were given up since the last chunk: the provider bills their
    questions all the same.
    """

    pieces: tuple[Piece, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    lost_calls: int = 0
    logprobs: tuple[bytes, ...] = ()


class Source(StrEnum):
    """Who wrote an answer: the model for this turn, or for an earlier one that asked the same."""

    MODEL = "model"
    CACHE = "cache"


class AnswerState(StrEnum):
    """How whole an answer is that is remembered."""

    COMPLETE = "complete"
    LENGTH = "length"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Prepayment:
    """What a turn is charged for before it is shown, because what its answer uses is known.

    `price` names the model whose price counts. `run` names this run of the turn: no other one shares what it paid for,
    or takes it back.
    """

    user_id: str
    ledger_id: str
    price: str
    usage: Usage
    run: str


class Started(msgspec.Struct, frozen=True, tag="started"):
    """Event: the turn is admitted and the model is asked.

    It happens again, with another `attempt`, when another model takes over. `ledger_id` and `input_tokens` let another
    process close the turn, should this one die, and so does `prepayment`, if it was paid for in advance. `created_s` is
    in seconds since 1970 UTC. `dropped` are parameters that nobody takes who runs this model.
    """

    conversation_id: str
    model: str
    source: Source = Source.MODEL
    ledger_id: str = ""
    input_tokens: int = 0
    attempt: int = 0
    created_s: int = 0
    dropped: tuple[str, ...] = ()
    prepayment: Prepayment | None = None


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """Event: more of the answer, screened."""

    piece: Piece


class Completed(msgspec.Struct, frozen=True, tag="completed"):
    """Event: the answer is whole, or was stopped, and is paid for.

    `usage` describes the answer, whoever gave it; `charged_micros` is what this turn paid. `logprobs_json` is a JSON
    array, "" when none were asked for.
    """

    finish_reason: FinishReason
    usage: Usage
    charged_micros: int
    ledger_id: str = ""
    question_number: int = 0
    answer_number: int = 0
    logprobs_json: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Event: the turn ended with an error, in the form in which errors travel, and was charged what it had produced.

    When that is nothing and nothing was shown, the same request_id may ask again, as the attempt `next_attempt`.
    """

    code: int
    reason: str
    message: str
    metadata: dict[str, str] = {}
    fields: dict[str, str] = {}
    retry_after_s: float | None = None
    charged_micros: int = 0
    next_attempt: int | None = None


Event = Started | Delta | Completed | Failed
