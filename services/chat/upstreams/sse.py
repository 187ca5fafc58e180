"""Reading an OpenAI-compatible stream from raw bytes. Pure.

The parser of OpenAI's SDK builds a pydantic model per chunk, at ten times the cost of all else that we do with it; this
decodes only the fields that matter, typed. Source: the HTML standard's event-stream format, of which providers use
`data:` lines alone, one JSON document each, and `data: [DONE]` in the end.
"""

from collections.abc import Iterator

import msgspec

from services.chat.domain import Channel, Chunk, FinishReason, Piece, ToolCall, Usage

# Every other reason is that the model was done.
_FINISH_REASONS = {
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None

    def piece(self) -> Piece:
        """What it adds to its tool call."""
        function = self.function or _Function()
        return Piece(
            function.arguments or "", Channel.TOOL_CALL, ToolCall(self.index, self.id or "", function.name or "")
        )


class _Delta(msgspec.Struct):
    content: str | None = None
    # Two names for what a reasoning model thinks: DeepSeek's, and that of several gateways.
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None

    def pieces(self) -> Iterator[Piece]:
        """What it adds to the answer."""
        if thought := self.reasoning_content or self.reasoning:
            yield Piece(thought, Channel.REASONING)
        if text := self.content or self.refusal:
            yield Piece(text)
        for call in self.tool_calls or ():
            yield call.piece()


class _Logprobs(msgspec.Struct):
    content: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    # DeepSeek's own words for cached input, older than OpenAI's.
    prompt_cache_hit_tokens: int | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
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
        self._error: StreamError | None = None
        self.done = False

    def feed(self, data: bytes) -> Chunk | None:
        """Everything that is complete so far, as one chunk; None when nothing is.

        What came before something broken is given first: the error comes with the next call, or `demand_sound`.

        Raises:
            StreamError: The provider reports an error inside the stream, or sends something else than JSON.
        """
        self.demand_sound()
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        gathered = _Gathered()
        try:
            for line in lines:
                if not self.done and line.startswith(b"data:"):
                    self._read(line[5:].strip(), gathered)
            _demand_ending(self._rest)
        except StreamError as error:
            self._error = error
        chunk = gathered.chunk()
        if chunk is None:
            self.demand_sound()
        return chunk

    def demand_sound(self) -> None:
        """Nothing broken has come.

        Raises:
            StreamError: Something has.
        """
        if self._error is not None:
            raise self._error

    def _read(self, payload: bytes, gathered: "_Gathered") -> None:
        if payload == b"[DONE]":
            self.done = True
            return
        try:
            event = self._decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StreamError("a chunk that is not the JSON of a completion") from error
        if event.error is not None and bytes(event.error) != b"null":
            raise StreamError("an error inside the stream")
        gathered.add(event)


class _Gathered:
    """What the events of one read add up to."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._logprobs: list[bytes] = []

    def add(self, event: _Event) -> None:
        if event.usage is not None:
            self._usage = _usage(event.usage)
        for choice in (event.choices or ())[:1]:
            for piece in choice.delta.pieces() if choice.delta else ():
                self._add_piece(piece)
            if choice.logprobs and choice.logprobs.content:
                self._logprobs.extend(map(bytes, choice.logprobs.content))
            if choice.finish_reason:
                self._finish_reason = _FINISH_REASONS.get(choice.finish_reason, FinishReason.STOP)

    def chunk(self) -> Chunk | None:
        if not self._pieces and self._finish_reason is None and self._usage is None and not self._logprobs:
            return None
        return Chunk(tuple(self._pieces), self._finish_reason, self._usage, logprobs=tuple(self._logprobs))

    def _add_piece(self, piece: Piece) -> None:
        """Take in a piece, as one with that before it where they belong together."""
        last = self._pieces[-1] if self._pieces else None
        if last is not None and piece.continues(last):
            self._pieces[-1] = Piece(last.text + piece.text, last.channel, last.tool)
        else:
            self._pieces.append(piece)


def _demand_ending(line: bytes) -> None:
    if len(line) > _LINE_BYTES_MAX:
        raise StreamError("a line without an end")


def _usage(usage: _Usage) -> Usage:
    details, thought = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = details.cached_tokens if details and details.cached_tokens is not None else usage.prompt_cache_hit_tokens
    reasoning = (thought.reasoning_tokens or 0) if thought else 0
    # Of no use to whoever pays when it cannot be true; the tokens themselves are judged elsewhere.
    reasoning = reasoning if 0 <= reasoning <= usage.completion_tokens else 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, cached_input=cached or 0, reasoning=reasoning)
