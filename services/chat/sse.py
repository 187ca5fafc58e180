"""Reading an OpenAI-compatible stream from raw bytes. Pure.

The SDK's own parser builds a pydantic model per chunk, at ten times the cost of all else that we do with it; bytes
come from the SDK, and this decodes only the fields that matter, typed. Source: the HTML standard's event-stream
format, of which providers use `data:` lines alone, one JSON document each, and `data: [DONE]` in the end.
"""

import msgspec

from services.chat.domain import Chunk, FinishReason, Usage


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list)
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


class StreamError(Exception):
    """The provider sent an error, or something that is no stream."""


# A line that grows past this is no chunk of an answer.
_LINE_BYTES_MAX = 1024 * 1024


class StreamReader:
    """Turns bytes, cut anywhere, into chunks."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        self._decode = msgspec.json.Decoder(_Event).decode
        self._rest = b""
        self.done = False

    def feed(self, data: bytes) -> Chunk | None:
        """Everything that is complete so far, as one chunk; None when nothing is.

        Raises:
            StreamError: The provider reports an error inside the stream, or sends something else than JSON.
        """
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _LINE_BYTES_MAX:
            raise StreamError("a line without an end")
        texts: list[str] = []
        finish_reason: FinishReason | None = None
        usage: Usage | None = None
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            payload = line[5:].strip()
            if payload == b"[DONE]":
                self.done = True
                continue
            event = self._event(payload)
            if event.usage is not None:
                usage = _usage(event.usage)
            for choice in event.choices[:1]:
                if choice.delta.content:
                    texts.append(choice.delta.content)
                if choice.finish_reason:
                    finish_reason = FinishReason.LENGTH if choice.finish_reason == "length" else FinishReason.STOP
        if not texts and finish_reason is None and usage is None:
            return None
        return Chunk("".join(texts), finish_reason, usage)

    def _event(self, payload: bytes) -> _Event:
        try:
            event = self._decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StreamError("a chunk that is not the JSON of a completion") from error
        if event.error is not None and bytes(event.error) != b"null":
            raise StreamError("an error inside the stream")
        return event


def _usage(usage: _Usage) -> Usage:
    details = usage.prompt_tokens_details
    cached = (details.cached_tokens or 0) if details else 0
    return Usage(input=usage.prompt_tokens, output=usage.completion_tokens, cached_input=cached)
