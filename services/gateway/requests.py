"""The public requests: their shapes, and what must hold beyond types. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from services.gateway.body import fit, parse, wrong
from services.gateway.domain import Message, Parameters, Question, Role
from services.gateway.identity import is_id

# C0 controls but tab, line feed and carriage return; surrogates without their other half.
_BROKEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

_MESSAGES_MAX = 256
_STOPS_MAX = 4
_NAME_CHARACTERS_MAX = 256
_SECRET_CHARACTERS_MAX = 512
_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1

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

_ROLES: Mapping[str, Role] = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}

# Parameters of OpenAI's that change nothing in the answer.
_IGNORED = ("user", "safety_identifier", "prompt_cache_key")

# Parameters of OpenAI's that we cannot honour, with the values that ask for nothing.
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": (),
    "web_search_options": (),
}


class _LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class _RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: str


class TextPart(msgspec.Struct):
    """A part of a text; parts of other types are refused."""

    type: str
    text: str | None = None


class _MessageBody(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str | list[TextPart] = ""
    name: str = ""


class _StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool = False
    include_obfuscation: bool = False


class _ChatBody(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[_MessageBody]
    model: str = ""
    conversation_id: str = ""
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
    stream_options: _StreamOptions = msgspec.field(default_factory=_StreamOptions)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat completion that is asked for."""

    question: Question
    stream: bool
    include_usage: bool


def login_code(raw: bytes) -> str:
    """The code of a login.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _secret("code", fit(parse(raw), _LoginBody).code)


def refresh_token(raw: bytes) -> str:
    """The token of a refresh.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _secret("refresh_token", fit(parse(raw), _RefreshBody).refresh_token)


def chat_request(raw: bytes) -> ChatRequest:
    """A chat completion.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    value = parse(raw)
    for name in _IGNORED:
        value.pop(name, None)
    for name in value.keys() & _NEUTRAL.keys():
        if value.pop(name) not in _NEUTRAL[name]:
            raise wrong(name, "unsupported")
    body = fit(value, _ChatBody)
    question = Question(
        messages=_messages(body.messages),
        model=_name("model", body.model),
        conversation_id=_conversation_id(body.conversation_id),
        parameters=_parameters(body),
    )
    return ChatRequest(question, body.stream, body.stream_options.include_usage)


def joined(field: str, parts: list[TextPart]) -> str:
    """The text of the parts, a line each.

    Raises:
        InvalidRequestError: A part is no text.
    """
    texts = []
    for index, part in enumerate(parts):
        if part.type != "text":
            raise wrong(f"{field}[{index}].type", "part")
        if part.text is None:
            raise wrong(f"{field}[{index}].text", "missing")
        texts.append(part.text)
    return "\n".join(texts)


def clean(field: str, text: str) -> str:
    """The text, as it came.

    Raises:
        InvalidRequestError: It contains what no text contains.
    """
    if _BROKEN.search(text):
        raise wrong(field, "characters")
    return text


def _messages(bodies: list[_MessageBody]) -> tuple[Message, ...]:
    if not bodies:
        raise wrong("messages", "empty")
    if len(bodies) > _MESSAGES_MAX:
        raise wrong("messages", "too_many", limit=_MESSAGES_MAX)
    return tuple(_message(f"messages[{index}]", body) for index, body in enumerate(bodies))


def _message(path: str, body: _MessageBody) -> Message:
    role = _ROLES.get(body.role)
    if role is None:
        raise wrong(f"{path}.role", "role")
    content = body.content if isinstance(body.content, str) else joined(f"{path}.content", body.content)
    if not content and role is not Role.ASSISTANT:
        raise wrong(f"{path}.content", "empty")
    return Message(role, clean(f"{path}.content", content))


def _parameters(body: _ChatBody) -> Parameters:
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
    )


def _name(field: str, name: str) -> str:
    if len(name) > _NAME_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_NAME_CHARACTERS_MAX)
    return clean(field, name)


def _secret(field: str, secret: str) -> str:
    if not secret:
        raise wrong(field, "empty")
    if len(secret) > _SECRET_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_SECRET_CHARACTERS_MAX)
    return clean(field, secret)


def _conversation_id(conversation_id: str) -> str:
    if conversation_id and not is_id(conversation_id):
        raise wrong("conversation_id", "id")
    return conversation_id
