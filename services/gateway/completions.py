"""Answers in OpenAI's shapes: chunks as server-sent events, and whole completions. Pure.

Source: OpenAI API reference, chat completion object and chat completion chunk object.
"""

import msgspec

from services.gateway.domain import Completed

HEARTBEAT = b": ping\n\n"
_DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


class _CachedTokens(msgspec.Struct):
    cached_tokens: int


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _CachedTokens


class _Delta(msgspec.Struct, omit_defaults=True):
    role: str | None = None
    content: str | None = None


class _ChunkChoice(msgspec.Struct):
    index: int
    delta: _Delta
    finish_reason: str | None = None
    logprobs: None = None


class _Chunk(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_ChunkChoice]
    usage: _Usage | msgspec.UnsetType | None = msgspec.UNSET


class _Message(msgspec.Struct):
    role: str
    content: str
    refusal: None = None


class _Choice(msgspec.Struct):
    index: int
    message: _Message
    finish_reason: str
    logprobs: None = None


class _Completion(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: _Usage


class ChunkWriter:
    """Writes one answer as the events of a stream."""

    def __init__(self, request_id: str, model: str, created_s: int, *, include_usage: bool) -> None:
        """Begin an answer.

        Args:
            request_id: The turn's.
            model: Which model answers.
            created_s: Seconds since 1970 UTC.
            include_usage: Whether usage gets a chunk of its own, without choices, and is null in all others;
                else it is part of the last chunk.
        """
        self._id = completion_id(request_id)
        self._model = model
        self._created_s = created_s
        self._include_usage = include_usage

    def opening(self) -> bytes:
        """The first event: who speaks."""
        return self._event([_ChunkChoice(0, _Delta(role="assistant", content=""))])

    def text(self, text: str) -> bytes:
        """The event of more text."""
        return self._event([_ChunkChoice(0, _Delta(content=text))])

    def closing(self, completed: Completed) -> bytes:
        """The last events: why it ended, what was used, `[DONE]`."""
        choices = [_ChunkChoice(0, _Delta(), completed.finish_reason)]
        if self._include_usage:
            return self._event(choices) + self._event([], _usage(completed)) + _DONE
        return self._event(choices, _usage(completed)) + _DONE

    def _event(self, choices: list[_ChunkChoice], usage: _Usage | None = None) -> bytes:
        absent = None if self._include_usage else msgspec.UNSET
        chunk = _Chunk(self._id, "chat.completion.chunk", self._created_s, self._model, choices, usage or absent)
        return b"data: " + _encode(chunk) + b"\n\n"


def error_event(error_body: bytes) -> bytes:
    """An error after the first byte; nothing follows it."""
    return b"data: " + error_body + b"\n\n"


def completion(request_id: str, model: str, created_s: int, text: str, completed: Completed) -> bytes:
    """A whole answer as JSON."""
    choice = _Choice(0, _Message("assistant", text), completed.finish_reason)
    return _encode(
        _Completion(completion_id(request_id), "chat.completion", created_s, model, [choice], _usage(completed))
    )


def completion_id(request_id: str) -> str:
    """The id of a turn's answer."""
    return f"chatcmpl-{request_id}"


def _usage(completed: Completed) -> _Usage:
    return _Usage(
        prompt_tokens=completed.input_tokens,
        completion_tokens=completed.output_tokens,
        total_tokens=completed.input_tokens + completed.output_tokens,
        prompt_tokens_details=_CachedTokens(completed.cached_input_tokens),
    )
