"""A chat completion that is asked for: OpenAI's contract and our extras. Pure.

What is plain text is taken apart and checked here. What is more (images, tools, an answer's shape) is handed on as it
came: which of it a model takes, the chat service knows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import Headers

from services.gateway.chat.domain import CachePolicy, Message, Parameters, Place, Question, Role, Where
from services.gateway.chat.messages import demand_clean, messages
from services.gateway.edge.body import fit, shown, wrong
from services.gateway.edge.texts import clean
from services.gateway.identity.ids import is_id, is_message_id

_STOPS_MAX = 4
_NAME_CHARACTERS_MAX = 256
_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")

# The bounds that chat.proto documents.
_RANGES: Mapping[str, tuple[int, int]] = {
    "max_tokens": (1, _INT32_MAX),
    "max_completion_tokens": (1, _INT32_MAX),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "seed": (-_INT64_MAX, _INT64_MAX),
}

# Parameters of OpenAI's that change nothing in the answer.
_IGNORED = ("user", "safety_identifier", "prompt_cache_key")

# Parameters of OpenAI's that nobody here can honour, with the values that ask for nothing.
_UNSUPPORTED: Mapping[str, tuple[object, ...]] = {
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
}

# Parameters that are handed on, with the values that ask for nothing: these are left out.
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("auto",),
    "tools": ([],),
    "top_logprobs": (0,),
}

_PLACES: Mapping[str, Where] = {
    "parent_id": Where.AFTER,
    "regenerate_id": Where.REGENERATE,
    "continue_id": Where.CONTINUE,
}

_ON_DISCONNECT = ("continue", "cancel")


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Whether usage gets a chunk of its own, before `[DONE]`."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatBody(msgspec.Struct):
    """A chat completion that is asked for: OpenAI's parameters, and our extras about conversations.

    Parameters that are not named here are handed to the provider where the owner's policy lets them pass.
    """

    messages: list[dict[str, Any]] | None = None
    model: str = ""
    conversation_id: str = ""
    parent_id: str | None = None
    regenerate_id: str | None = None
    continue_id: str | None = None
    on_disconnect: str = "continue"
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] = msgspec.field(default_factory=list)
    n: int = 1
    stream: bool = False
    stream_options: StreamOptions = msgspec.field(default_factory=StreamOptions)


_OURS = frozenset(field.name for field in msgspec.structs.fields(ChatBody))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat completion that is asked for."""

    question: Question
    stream: bool
    include_usage: bool


def chat_request(value: dict[str, Any], headers: Headers) -> ChatRequest:
    """A chat completion; what is handed on is taken out of `value`.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    extra_json = _extra_json(value)
    body = fit(value, ChatBody)
    if body.on_disconnect not in _ON_DISCONNECT:
        raise wrong("on_disconnect", "one_of", allowed=", ".join(_ON_DISCONNECT))
    place = _place(body)
    question = Question(
        messages=_messages(body, place),
        model=_name("model", body.model),
        conversation_id=_conversation_id(body.conversation_id),
        parameters=_parameters(body, extra_json),
        place=place,
        cache=_cache(headers),
        # Who asked for a whole answer and cannot ask for the same again has nothing to come back to.
        stays=body.on_disconnect == "continue" and (body.stream or "idempotency-key" in headers),
    )
    return ChatRequest(question, body.stream, body.stream_options.include_usage)


def idempotency_key(headers: Headers) -> str:
    """The header `Idempotency-Key`; "" when it is absent.

    Raises:
        InvalidRequestError: It is no key.
    """
    key = headers.get("idempotency-key", "")
    if "idempotency-key" in headers and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise wrong("Idempotency-Key", "key")
    return key


def _extra_json(value: dict[str, Any]) -> str:
    """Takes the parameters out of the body that are handed on."""
    for name in _IGNORED:
        value.pop(name, None)
    extra: dict[str, Any] = {}
    for name in [name for name in value if name not in _OURS]:
        given = value.pop(name)
        if name in _UNSUPPORTED:
            if given not in _UNSUPPORTED[name]:
                raise wrong(name, "unsupported")
        elif given not in _NEUTRAL.get(name, ()):
            clean(shown(name), name)
            demand_clean(shown(name), given)
            extra[name] = given
    # What chooses among tools means nothing without any, and providers refuse it then.
    if "tools" not in extra and extra.get("tool_choice") == "none":
        del extra["tool_choice"]
    return msgspec.json.encode(extra).decode() if extra else ""


def _messages(body: ChatBody, place: Place | None) -> tuple[Message, ...]:
    if place is None or place.where is Where.AFTER:
        if body.messages is None:
            raise wrong("messages", "missing")
        return messages(body.messages)
    asked = messages(body.messages) if body.messages else ()
    if any(message.role is not Role.SYSTEM for message in asked):
        raise wrong("messages", "system_only", other=next(name for name, at in _PLACES.items() if at is place.where))
    return asked


def _place(body: ChatBody) -> Place | None:
    given = {name: getattr(body, name) for name in _PLACES if getattr(body, name) is not None}
    if not given:
        return None
    (name, number), *others = given.items()
    if others:
        raise wrong(name, "one_allowed", other=others[0][0])
    if not is_message_id(number) and (number, name) != ("0", "parent_id"):
        raise wrong(name, "message_id")
    if not body.conversation_id:
        raise wrong("conversation_id", "missing")
    return Place(_PLACES[name], int(number))


def _cache(headers: Headers) -> CachePolicy:
    """What the request says about caching (RFC 9111, 5.2.1)."""
    directives = {item.strip().lower() for item in headers.get("cache-control", "").split(",")}
    if "no-store" in directives:
        return CachePolicy.NO_STORE
    return CachePolicy.REFRESH if "no-cache" in directives else CachePolicy.USE


def _parameters(body: ChatBody, extra_json: str) -> Parameters:
    for name, (low, high) in _RANGES.items():
        value = getattr(body, name)
        # Said this way round, a value that cannot be compared is refused too.
        if value is not None and not low <= value <= high:
            raise wrong(name, "range", low=low, high=high)
    if body.n != 1:
        raise wrong("n", "unsupported")
    stops = [body.stop] if isinstance(body.stop, str) else body.stop
    if len(stops) > _STOPS_MAX:
        raise wrong("stop", "too_many", limit=_STOPS_MAX)
    for stop in stops:
        if not stop:
            raise wrong("stop", "empty")
    return Parameters(
        max_output_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=body.seed,
        stop=tuple(clean("stop", stop) for stop in stops),
        extra_json=extra_json,
    )


def _name(field: str, name: str) -> str:
    if len(name) > _NAME_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_NAME_CHARACTERS_MAX)
    return clean(field, name)


def _conversation_id(conversation_id: str) -> str:
    if conversation_id and not is_id(conversation_id):
        raise wrong("conversation_id", "id")
    return conversation_id
