"""Answers in OpenAI's shapes: chunks as server-sent events, and whole completions. Pure.

Every event of a stream has an id, by which a client that lost the stream goes on behind it: the position in the answer
that it reaches, and of the closing events also which of them it is, as in `12.2`.

Source: OpenAI API reference, chat completion object and chat completion chunk object; `reasoning_content` is in
DeepSeek's API reference.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from services.gateway.chat.domain import Completed, Delta

HEARTBEAT = b": ping\n\n"
_DONE = b"[DONE]"

# The text's name in an event, and behind it nothing yet. Whatever others wrote has no such quotation marks in JSON.
_CONTENT, _NOTHING = b'"content":', b'""'
_EVENT_ID = re.compile(r"(?P<position>[0-9]{1,15})(?:\.(?P<closing>[1-9]))?")

_encode = msgspec.json.Encoder().encode


class _CachedTokens(msgspec.Struct):
    cached_tokens: int


class _ReasoningTokens(msgspec.Struct):
    reasoning_tokens: int


class Usage(msgspec.Struct):
    """Tokens as OpenAI's clients know them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _CachedTokens
    completion_tokens_details: _ReasoningTokens


class _Logprobs(msgspec.Struct):
    content: msgspec.Raw
    refusal: None = None


class _Function(msgspec.Struct, omit_defaults=True):
    name: str | None = None
    arguments: str | None = None


class _ToolCallPiece(msgspec.Struct, omit_defaults=True):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: _Function | None = None


class _ToolCall(msgspec.Struct):
    id: str
    function: _Function
    type: str = "function"


class _Conversation(msgspec.Struct):
    id: str
    question_id: str | None
    answer_id: str | None


class _Delta(msgspec.Struct, omit_defaults=True):
    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCallPiece] | None = None


class _ChunkChoice(msgspec.Struct):
    index: int
    delta: _Delta
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class Chunk(msgspec.Struct):
    """A chunk of a streamed answer."""

    id: str
    object: str
    created: int
    model: str
    choices: list[_ChunkChoice]
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET
    conversation: _Conversation | msgspec.UnsetType = msgspec.UNSET
    ai_label: str | msgspec.UnsetType = msgspec.UNSET


class _Message(msgspec.Struct):
    role: str
    content: str | None
    refusal: None = None
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[_ToolCall] | msgspec.UnsetType = msgspec.UNSET


class _Choice(msgspec.Struct):
    index: int
    message: _Message
    finish_reason: str
    logprobs: _Logprobs | None = None


class Completion(msgspec.Struct):
    """A whole answer."""

    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: Usage
    conversation: _Conversation | msgspec.UnsetType = msgspec.UNSET
    ai_label: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class EventId:
    """The last event that a client has: a position in the answer, and how many closing events that follow it."""

    position: int = 0
    closing: int = 0


def event_id(text: str) -> EventId | None:
    """What a client says it has; None when that is no id of ours."""
    found = _EVENT_ID.fullmatch(text)
    return EventId(int(found["position"]), int(found["closing"] or 0)) if found else None


class ChunkWriter:
    """Writes one answer as the events of a stream."""

    def __init__(
        self,
        request_id: str,
        model: str,
        created_s: int,
        *,
        include_usage: bool,
        conversation_id: str = "",
        ai_label: str = "",
    ) -> None:
        """Begin an answer.

        Args:
            request_id: The turn's.
            model: Which model answers; may be changed while nothing has been said.
            created_s: Seconds since 1970 UTC.
            include_usage: Whether usage gets a chunk of its own, without choices, and is null in all others;
                else it is part of the last chunk.
            conversation_id: The conversation that is extended; "" none.
            ai_label: The visible label of what a model wrote; "" none.
        """
        self._model = model
        # What stands around the text in nearly every event of this answer, once there has been one.
        self._around: tuple[bytes, bytes] | None = None
        self._id = completion_id(request_id)
        self._created_s = created_s
        self._include_usage = include_usage
        self._conversation_id = conversation_id
        self._ai_label = ai_label

    @property
    def model(self) -> str:
        """Which model answers."""
        return self._model

    @model.setter
    def model(self, model: str) -> None:
        self._model = model
        self._around = None

    def opening(self) -> bytes:
        """The first event: who speaks."""
        return _event("0", self._chunk([_ChunkChoice(0, _Delta(role="assistant", content=""))]))

    def delta(self, delta: Delta) -> bytes:
        """The event of more of the answer."""
        if not delta.text:
            return _event(str(delta.position), self._chunk([_ChunkChoice(0, _piece(delta))]))
        if self._around is None:
            chunk = self._chunk([_ChunkChoice(0, _Delta(content=""))])
            before, _, after = chunk.partition(_CONTENT + _NOTHING)
            self._around = before + _CONTENT, after
        before, after = self._around
        return b"id: %d\ndata: %b%b%b\n\n" % (delta.position, before, _encode(delta.text), after)

    def closing(self, completed: Completed, *, received: int = 0) -> bytes:
        """The last events: why it ended, what was used, `[DONE]`; without those that were received before."""
        choices = [_ChunkChoice(0, _Delta(), completed.finish_reason, _logprobs(completed))]
        said = _conversation(self._conversation_id, completed)
        if self._include_usage:
            events = [self._chunk(choices, said=said, ends=True), self._chunk([], usage(completed)), _DONE]
        else:
            events = [self._chunk(choices, usage(completed), said=said, ends=True), _DONE]
        numbered = enumerate(events, start=1)
        return b"".join(_event(f"{completed.position}.{n}", data) for n, data in numbered if n > received)

    def _chunk(
        self,
        choices: list[_ChunkChoice],
        spent: Usage | None = None,
        *,
        said: _Conversation | msgspec.UnsetType = msgspec.UNSET,
        ends: bool = False,
    ) -> bytes:
        absent = None if self._include_usage else msgspec.UNSET
        label = self._ai_label if ends and self._ai_label else msgspec.UNSET
        return _encode(
            Chunk(
                self._id, "chat.completion.chunk", self._created_s, self._model, choices, spent or absent, said, label
            )
        )


def error_event(error_body: bytes) -> bytes:
    """An error after the first byte; nothing follows it."""
    return b"data: " + error_body + b"\n\n"


def completion(
    request_id: str,
    model: str,
    created_s: int,
    deltas: Sequence[Delta],
    completed: Completed,
    *,
    conversation_id: str = "",
    ai_label: str = "",
    shown: Callable[[str], str] = str,
) -> bytes:
    """A whole answer as JSON; `shown` answers its text as the client may see it."""
    text = shown("".join(delta.text for delta in deltas))
    calls = _calls(deltas)
    message = _Message(
        "assistant",
        text or (None if calls else ""),
        reasoning_content="".join(delta.reasoning for delta in deltas) or msgspec.UNSET,
        tool_calls=calls or msgspec.UNSET,
    )
    return _encode(
        Completion(
            completion_id(request_id),
            "chat.completion",
            created_s,
            model,
            [_Choice(0, message, completed.finish_reason, _logprobs(completed))],
            usage(completed),
            _conversation(conversation_id, completed),
            ai_label or msgspec.UNSET,
        )
    )


def completion_id(request_id: str) -> str:
    """The id of a turn's answer."""
    return f"chatcmpl-{request_id}"


def _event(event_id: str, data: bytes) -> bytes:
    return b"id: " + event_id.encode() + b"\ndata: " + data + b"\n\n"


def _piece(delta: Delta) -> _Delta:
    call = delta.tool_call
    if call is None:
        return _Delta(content=delta.text or None, reasoning_content=delta.reasoning or None)
    # The first piece names the call; those after it bring more of its arguments.
    opens = bool(call.id or call.name)
    function = _Function(call.name or None, call.arguments)
    piece = _ToolCallPiece(call.index, call.id or None, "function" if opens else None, function)
    return _Delta(tool_calls=[piece])


def _calls(deltas: Sequence[Delta]) -> list[_ToolCall]:
    """Whole tool calls, of their pieces."""
    calls: list[tuple[int, _ToolCall]] = []
    for call in (delta.tool_call for delta in deltas if delta.tool_call is not None):
        if call.id or call.name or not calls:
            calls.append((call.index, _ToolCall(call.id, _Function(call.name, ""))))
        whole = next((each for index, each in reversed(calls) if index == call.index), calls[-1][1])
        whole.function.arguments = (whole.function.arguments or "") + call.arguments
    return [call for _, call in calls]


def _conversation(conversation_id: str, completed: Completed) -> _Conversation | msgspec.UnsetType:
    if not conversation_id:
        return msgspec.UNSET
    numbers = (str(number) if number else None for number in (completed.question, completed.answer))
    return _Conversation(conversation_id, *numbers)


def _logprobs(completed: Completed) -> _Logprobs | None:
    return _Logprobs(msgspec.Raw(completed.logprobs_json.encode())) if completed.logprobs_json else None


def usage(completed: Completed) -> Usage:
    """What an answer used."""
    return Usage(
        prompt_tokens=completed.input_tokens,
        completion_tokens=completed.output_tokens,
        total_tokens=completed.input_tokens + completed.output_tokens,
        prompt_tokens_details=_CachedTokens(completed.cached_input_tokens),
        completion_tokens_details=_ReasoningTokens(completed.reasoning_tokens),
    )
