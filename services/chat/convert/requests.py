"""What callers ask; a request that does not fit the domain is refused here, field by field."""

import hashlib
import math
import re

import msgspec
from queqiao.chat.v1 import chat_pb2

from services.chat.domain import CachePolicy, Message, Options, Place, Question, Role, Where
from services.chat.streams.domain import TurnKey
from services.chat.texts import texts_of
from services.runtime.errors import InvalidRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Billing adds a suffix when a turn takes several attempts.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")
_TENANT = re.compile(r"[A-Za-z0-9_-]{0,64}")
_OPENID = re.compile(r"[\x21-\x7e]{0,64}")
_MESSAGES_MAX = 256
_JSON_BYTES_MAX = 8 * 1024 * 1024
_EXTRA_BYTES_MAX = 256 * 1024
_STOPS_MAX = 4

_ROLES = {
    chat_pb2.ROLE_SYSTEM: Role.SYSTEM,
    chat_pb2.ROLE_USER: Role.USER,
    chat_pb2.ROLE_ASSISTANT: Role.ASSISTANT,
    chat_pb2.ROLE_TOOL: Role.TOOL,
}

# What OpenAI's API calls the system, besides "system".
_DEVELOPER = "developer"

_CACHE_POLICIES = {
    chat_pb2.CACHE_POLICY_UNSPECIFIED: CachePolicy.USE,
    chat_pb2.CACHE_POLICY_REFRESH: CachePolicy.REFRESH,
    chat_pb2.CACHE_POLICY_NO_STORE: CachePolicy.NO_STORE,
}

_PLACES = {
    "after_number": Where.AFTER,
    "regenerate_number": Where.REGENERATE,
    "continue_number": Where.CONTINUE,
}

# The bounds that chat.proto documents.
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}


def question(request: chat_pb2.StreamTurnRequest) -> Question:
    """The turn that is asked for.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = _wrong_ids(request) | _wrong_place(request) | _wrong_messages(request)
    wrong |= _wrong_parameters(request.parameters)
    _demand_none(wrong)
    return Question(
        request_id=request.request_id,
        user_id=request.user_id,
        conversation_id=request.conversation_id,
        model=request.model,
        messages=tuple(_message(message) for message in request.messages),
        options=_options(request.parameters),
        openid=request.openid,
        place=_place(request),
        tenant=request.tenant,
        cache=_CACHE_POLICIES.get(request.cache, CachePolicy.NO_STORE),
    )


def fingerprint(request: chat_pb2.StreamTurnRequest) -> str:
    """Names the input of a turn: what makes two requests the same, whatever else differs between two calls."""
    same = chat_pb2.StreamTurnRequest()
    same.CopyFrom(request)
    same.ClearField("cancel_on_disconnect")
    return hashlib.sha256(same.SerializeToString(deterministic=True)).hexdigest()


def turn_key(request: chat_pb2.ResumeTurnRequest | chat_pb2.CancelTurnRequest) -> TurnKey:
    """The turn that is meant.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = {}
    if not _REQUEST_ID.fullmatch(request.request_id):
        wrong["request_id"] = "must be 1 to 60 characters of A-Z, a-z, 0-9, _ and -"
    if not _ID.fullmatch(request.user_id):
        wrong["user_id"] = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
    if isinstance(request, chat_pb2.ResumeTurnRequest) and request.after < 0:
        wrong["after"] = "must not be negative"
    _demand_none(wrong)
    return TurnKey(request.user_id, request.request_id)


def _demand_none(wrong: dict[str, str]) -> None:
    if wrong:
        first, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{first} {why}.", fields=wrong)


def _wrong_ids(request: chat_pb2.StreamTurnRequest) -> dict[str, str]:
    wrong = {}
    if not _REQUEST_ID.fullmatch(request.request_id):
        wrong["request_id"] = "must be 1 to 60 characters of A-Z, a-z, 0-9, _ and -"
    for name, required in (("user_id", True), ("conversation_id", False)):
        value = getattr(request, name)
        if (value or required) and not _ID.fullmatch(value):
            wrong[name] = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
    if not _OPENID.fullmatch(request.openid):
        wrong["openid"] = "must be at most 64 visible ASCII characters"
    if not _TENANT.fullmatch(request.tenant):
        wrong["tenant"] = "must be at most 64 characters of A-Z, a-z, 0-9, _ and -"
    return wrong


def _wrong_place(request: chat_pb2.StreamTurnRequest) -> dict[str, str]:
    name = request.WhichOneof("place")
    if name is None:
        return {}
    if not request.conversation_id:
        return {name: "requires a conversation_id"}
    if getattr(request, name) < (0 if name == "after_number" else 1):
        return {name: "must be the number of a message"}
    return {}


def _wrong_messages(request: chat_pb2.StreamTurnRequest) -> dict[str, str]:
    asks_anew = request.WhichOneof("place") not in ("regenerate_number", "continue_number")
    if not asks_anew and any(message.role != chat_pb2.ROLE_SYSTEM for message in request.messages):
        return {"messages": "must hold system messages alone: nothing new is asked"}
    if not asks_anew <= len(request.messages) <= _MESSAGES_MAX:
        return {"messages": f"must hold 1 to {_MESSAGES_MAX} messages"}
    if sum(len(message.json) for message in request.messages) > _JSON_BYTES_MAX:
        return {"messages": "must have at most 8 MiB of json"}
    wrong = {}
    for index, message in enumerate(request.messages):
        for field, why in _wrong_message(message):
            wrong[f"messages[{index}].{field}"] = why
    if asks_anew and not wrong and not any(message.content or message.json for message in request.messages):
        wrong["messages"] = "must hold a message with text"
    return wrong


def _wrong_message(message: chat_pb2.Message) -> list[tuple[str, str]]:
    if message.role not in _ROLES:
        return [("role", "must be system, user, assistant or tool")]
    if message.json:
        return _wrong_json(message)
    if message.role == chat_pb2.ROLE_TOOL:
        return [("json", "is required for the role tool")]
    if not message.content and message.role != chat_pb2.ROLE_ASSISTANT:
        return [("content", "must not be empty")]
    if "\x00" in message.content:
        return [("content", "must not contain NUL")]
    return []


def _wrong_json(message: chat_pb2.Message) -> list[tuple[str, str]]:
    if message.content:
        return [("content", "must be empty beside json")]
    try:
        role = msgspec.json.decode(message.json, type=dict[str, object]).get("role")
    except msgspec.DecodeError:
        return [("json", "must be a JSON object")]
    expected = _ROLES[message.role].value
    if role != expected and not (role == _DEVELOPER and message.role == chat_pb2.ROLE_SYSTEM):
        return [("json", f"must have the role {expected}")]
    if any("\x00" in text for text in texts_of(message.json)):
        return [("json", "must not contain NUL")]
    return []


def _wrong_parameters(parameters: chat_pb2.GenerationParameters) -> dict[str, str]:
    wrong = {}
    if parameters.HasField("max_output_tokens") and parameters.max_output_tokens < 1:
        wrong["max_output_tokens"] = "must be at least 1"
    for name, (low, high) in _RANGES.items():
        value = getattr(parameters, name)
        if math.isnan(value) or not low <= value <= high:
            wrong[name] = f"must be {low:g} to {high:g}"
    if len(parameters.stop) > _STOPS_MAX:
        wrong["stop"] = f"must hold at most {_STOPS_MAX} texts"
    if len(parameters.extra_json) > _EXTRA_BYTES_MAX:
        wrong["extra_json"] = "must have at most 256 KiB"
    return wrong


def _message(message: chat_pb2.Message) -> Message:
    if not message.json:
        return Message(_ROLES[message.role], message.content)
    return Message(_ROLES[message.role], "\n".join(texts_of(message.json)), json=message.json)


def _options(parameters: chat_pb2.GenerationParameters) -> Options:
    given = {field.name: value for field, value in parameters.ListFields() if field.name != "stop"}
    return Options(**given, stop=tuple(parameters.stop))


def _place(request: chat_pb2.StreamTurnRequest) -> Place:
    name = request.WhichOneof("place")
    return Place() if name is None else Place(_PLACES[name], getattr(request, name))
