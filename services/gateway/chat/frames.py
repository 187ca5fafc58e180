"""The JSON frames of `/v1/ws`. Pure.

A client sends frames of the types start, resume, cancel, ping and auth; the server sends started, queue, delta, usage,
completed, error and pong. `id` is the client's own name for one turn of a socket; many run at once. Event ids are those
of streams over HTTP, so that a turn can be resumed over either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from services.gateway.chat.completions import EventId, event_id, usage
from services.gateway.chat.domain import Completed, Delta, Started
from services.gateway.edge.body import fit, wrong
from services.gateway.identity.ids import is_id

_TYPES = ("auth", "start", "resume", "cancel", "ping")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Auth:
    """Who is at the other end, from now on."""

    token: str


@dataclass(frozen=True, slots=True)
class Start:
    """A new turn: `body` is that of a chat completion, `headers` what HTTP would say beside it."""

    id: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """A turn to go on with, behind the last event that the client has."""

    id: str
    request_id: str
    last: EventId
    token: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """A turn of this socket to stop."""

    id: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants to hear that somebody is there."""


Frame = Auth | Start | Resume | Cancel | Ping


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    id: str = ""
    token: str = ""
    body: dict[str, Any] | None = None
    idempotency_key: str | None = None
    cache_control: str | None = None
    request_id: str = ""
    last_event_id: str = ""


def parsed(value: dict[str, Any]) -> Frame:
    """A frame of a client.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    frame = fit(value, _Frame)
    if frame.type not in _TYPES:
        raise wrong("type", "one_of", allowed=", ".join(_TYPES))
    if frame.type == "ping":
        return Ping()
    if frame.type == "auth":
        if not frame.token:
            raise wrong("token", "missing")
        return Auth(frame.token)
    if not is_id(frame.id):
        raise wrong("id", "id")
    if frame.type == "cancel":
        return Cancel(frame.id)
    if frame.type == "resume":
        return _resume(frame)
    if frame.body is None:
        raise wrong("body", "missing")
    said = {"idempotency-key": frame.idempotency_key, "cache-control": frame.cache_control}
    headers = {name: value for name, value in said.items() if value is not None}
    return Start(frame.id, frame.body, headers, frame.token)


def _resume(frame: _Frame) -> Resume:
    if not is_id(frame.request_id):
        raise wrong("request_id", "id")
    last = event_id(frame.last_event_id) if frame.last_event_id else EventId()
    if last is None:
        raise wrong("last_event_id", "event_id")
    return Resume(frame.id, frame.request_id, last, frame.token)


def started(turn: str, request_id: str, event: Started, model: str) -> bytes:
    """The turn was admitted; again when another model takes over. `model` is what it is called here."""
    frame: dict[str, Any] = {
        "type": "started",
        "id": turn,
        "request_id": request_id,
        "model": model,
        "created": event.created_s,
        "cached": event.cached,
        "replayed": event.replayed,
    }
    if event.conversation_id:
        frame["conversation_id"] = event.conversation_id
    if event.dropped:
        frame["dropped_parameters"] = event.dropped
    return _encode(frame)


def queued(turn: str, position: int) -> bytes:
    """The turn waits; 1 is the next to run."""
    return _encode({"type": "queue", "id": turn, "position": position})


def delta(turn: str, event: Delta) -> bytes:
    """More of the answer: one of text, reasoning, and a piece of a tool call."""
    frame: dict[str, Any] = {"type": "delta", "id": turn, "event_id": str(event.position)}
    if event.text:
        frame["text"] = event.text
    if event.reasoning:
        frame["reasoning"] = event.reasoning
    if (call := event.tool_call) is not None:
        frame["tool_call"] = {"index": call.index, "id": call.id, "name": call.name, "arguments": call.arguments}
    return _encode(frame)


def closing(turn: str, conversation_id: str, event: Completed, *, received: int, ai_label: str = "") -> list[bytes]:
    """What was used, and why the answer ended; without those that were received before."""
    end: dict[str, Any] = {
        "type": "completed",
        "id": turn,
        "event_id": f"{event.position}.2",
        "finish_reason": event.finish_reason,
    }
    if ai_label:
        end["ai_label"] = ai_label
    if conversation_id:
        end["conversation"] = {
            "id": conversation_id,
            "question_id": str(event.question) if event.question else None,
            "answer_id": str(event.answer) if event.answer else None,
        }
    spent = {
        "type": "usage",
        "id": turn,
        "event_id": f"{event.position}.1",
        "usage": usage(event),
        "charged_micros": event.charged_micros,
    }
    return [_encode(frame) for frame in (spent, end)[received:]]


def failed(turn: str | None, body: bytes, retry_after_s: float | None) -> bytes:
    """An error, of a turn or of the socket; `body` is that of HTTP."""
    frame = {"type": "error", "id": turn, **msgspec.json.decode(body)}
    if retry_after_s is not None:
        frame["retry_after_s"] = retry_after_s
    return _encode(frame)


def authenticated(user_id: str) -> bytes:
    """The answer to an auth frame."""
    return _encode({"type": "authenticated", "user": {"id": user_id}})


PONG = _encode({"type": "pong"})
