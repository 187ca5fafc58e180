"""A turn as the gateway translates it: what is asked, and the events of its answer. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its text or, when it is more than text, the whole of it as a JSON object of OpenAI's API."""

    role: Role
    content: str
    json: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """How an answer is generated; None and () leave it to the provider.

    `extra_json` has further parameters of OpenAI's API, as a JSON object; "" none.
    """

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra_json: str = ""


class Where(StrEnum):
    """Where a turn takes place: after a message, at an answer to write anew, or at one to go on with."""

    AFTER = "after"
    REGENERATE = "regenerate"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn takes place, and the number of the message; after 0 is at the very beginning."""

    where: Where
    number: int


class CachePolicy(StrEnum):
    """What a turn may do with the answer cache."""

    USE = "use"
    REFRESH = "refresh"
    NO_STORE = "no_store"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; an empty `model` is the default one, an empty `conversation_id` is a turn without memory.

    Without a `place` it follows the conversation's newest message. `stays` says whether the turn goes on for a while
    when its client leaves, for the client to come back to.
    """

    messages: tuple[Message, ...]
    model: str = ""
    conversation_id: str = ""
    parameters: Parameters = field(default_factory=Parameters)
    place: Place | None = None
    cache: CachePolicy = CachePolicy.USE
    stays: bool = True


@dataclass(frozen=True, slots=True)
class Started:
    """Event: the turn was admitted and the model has been asked; again when another model takes over.

    `cached` when the answer was given before, `replayed` when an earlier request began the turn, which was at
    `created_s` seconds since 1970 UTC. `dropped` are parameters that nobody takes who runs this model.
    """

    conversation_id: str
    model: str
    cached: bool = False
    replayed: bool = False
    created_s: int = 0
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A piece of a call that the model wants made; `id` and `name` come with the first piece of it only."""

    index: int
    id: str
    name: str
    arguments: str


class Delta(msgspec.Struct, frozen=True, gc=False):
    """Event: more of the answer; one of text, reasoning and tool call. `position` is how far it reaches."""

    text: str = ""
    reasoning: str = ""
    tool_call: ToolCall | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Completed:
    """Event: the answer is whole. `finish_reason` is in OpenAI's words, or "cancelled".

    `question` and `answer` are their numbers in the conversation, 0 where they are not remembered. The tokens are those
    of the answer, whoever gave it; `charged_micros` is what the turn paid. `logprobs_json` is a JSON array or "".
    """

    finish_reason: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    question: int = 0
    answer: int = 0
    position: int = 0
    reasoning_tokens: int = 0
    charged_micros: int = 0
    logprobs_json: str = ""


Event = Started | Delta | Completed
