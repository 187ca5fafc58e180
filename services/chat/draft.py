"""An answer while it is written: what was produced, what is held back, what was shown. Pure.

Screening and review read an answer as one run of characters, whatever it is made of: text, thoughts, arguments of tool
calls. A change between them is one line break in that run, so no word is read across it, and the number of characters
up to some place, the *position*, names every place in an answer.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from services.chat.domain import Channel, Chunk, FinishReason, Message, Model, Piece, Role, ToolCall, Usage
from services.chat.ports import PRECEDING_CHARACTERS
from services.chat.window import Prompt

_BREAK = "\n"

# What a message between services has room for.
_LOGPROBS_BYTES_MAX = 2 * 1024 * 1024


@dataclass(slots=True)
class _Run:
    """Characters of one channel that are not shown yet; `opens` while its line break is among them."""

    channel: Channel
    tool: ToolCall | None
    length: int
    opens: bool


class Outline:
    """Turns pieces into one run of characters, and any part of it from its front back into pieces."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._runs: deque[_Run] = deque()
        self._last: tuple[Channel, int | None] = (Channel.TEXT, None)
        self.position = 0

    def add(self, piece: Piece) -> str:
        """The characters of a piece, with a line break in front where it begins something else."""
        kind = (piece.channel, piece.tool.index if piece.tool else None)
        # A piece that names its call begins one, whatever its number: providers have been seen to repeat them.
        opens = kind != self._last or bool(piece.tool and (piece.tool.id or piece.tool.name))
        self._last = kind
        text = _BREAK + piece.text if opens else piece.text
        if opens or not self._runs:
            self._runs.append(_Run(piece.channel, piece.tool, len(text), opens))
        else:
            self._runs[-1].length += len(text)
        return text

    def cut(self, text: str) -> Iterator[tuple[Piece, int]]:
        """The pieces of the next characters, each with the position at its end."""
        start = 0
        while start < len(text):
            run = self._runs[0]
            end = min(start + run.length, len(text))
            part = text[start:end]
            self.position += len(part)
            tool = run.tool
            if run.opens:
                part, run.opens = part[1:], False
            elif tool is not None:
                tool = ToolCall(tool.index)
            run.length -= end - start
            if not run.length and len(self._runs) > 1:
                self._runs.popleft()
            start = end
            if part or (tool is not None and (tool.id or tool.name)):
                yield Piece(part, run.channel, tool), self.position


@dataclass(slots=True)
class Draft:
    """What the model has produced so far, what may not be released yet, and what was shown.

    `screened_by` are the versions of moderation that have judged parts of it.
    """

    outline: Outline = field(default_factory=Outline)
    produced: list[str] = field(default_factory=list)
    shown: list[Piece] = field(default_factory=list)
    held: str = ""
    preceding: str = ""
    finish_reason: FinishReason | None = None
    reported: Usage | None = None
    lost_calls: int = 0
    logprobs: list[bytes] = field(default_factory=list)
    logprobs_bytes: int = 0
    screened_by: set[str] = field(default_factory=set)

    def add(self, chunk: Chunk) -> None:
        """Take in what the model sent."""
        for piece in chunk.pieces:
            self.produced.append(piece.text)
            if piece.tool is not None:
                self.produced.append(piece.tool.name)
            self.held += self.outline.add(piece)
        self.finish_reason = chunk.finish_reason or self.finish_reason
        # Figures that came before more text are not those of the whole answer.
        self.reported = chunk.usage or (None if chunk.pieces else self.reported)
        self.lost_calls += chunk.lost_calls
        for token in chunk.logprobs:
            self.logprobs_bytes += len(token) + 1
            if self.logprobs_bytes <= _LOGPROBS_BYTES_MAX:
                self.logprobs.append(token)

    def release(self, characters: int) -> str:
        """Let the first characters of what is held go."""
        text, self.held = self.held[:characters], self.held[characters:]
        self.preceding = (self.preceding + text)[-PRECEDING_CHARACTERS:]
        return text

    def show(self, text: str) -> Iterator[tuple[Piece, int]]:
        """The pieces of the next released characters, each with its position."""
        for piece, position in self.outline.cut(text):
            self.shown.append(piece)
            yield piece, position

    @property
    def logprobs_json(self) -> str:
        """The likelihoods of the answer's tokens as a JSON array, of those in front where they are too many; "" none.

        They are told when the whole answer has been let pass: they spell out text that may be held back or refused.
        """
        return "[" + b",".join(self.logprobs).decode("utf-8", "replace") + "]" if self.logprobs else ""

    def message(self, *, is_whole: bool) -> Message:
        """What was shown, as the message that is remembered.

        What the model thought is not part of it, nor a call of a tool when the answer broke off: nobody can make it.
        """
        # PostgreSQL keeps every character but NUL.
        text = "".join(piece.text for piece in self.shown if piece.channel is Channel.TEXT).replace("\x00", "")
        calls = tool_calls(self.shown) if is_whole else []
        if not calls:
            return Message(Role.ASSISTANT, text)
        whole = {"role": "assistant", "content": text or None, "tool_calls": calls}
        return Message(Role.ASSISTANT, text, json=msgspec.json.encode(whole).decode())

    def is_believable(self, prompt: Prompt, model: Model) -> bool:
        """Whether the provider's own figures can be true."""
        reported = self.reported
        return (
            reported is not None
            and 0 <= reported.cached_input <= reported.input <= model.context_tokens
            and reported.input > 0
            and 0 <= reported.output <= prompt.max_output_tokens
            and (reported.output > 0 or not any(self.produced))
        )

    def usage(self, prompt: Prompt, model: Model, output_tokens: int) -> tuple[Usage, bool]:
        """What to charge for, and whether the provider's own figures had to be set aside.

        The provider's figures count when they can be true, else ours: the prompt's, and `output_tokens` of what was
        produced.
        """
        if self.reported is not None and self.is_believable(prompt, model):
            return self.reported, False
        return Usage(prompt.input_tokens, min(output_tokens, prompt.max_output_tokens)), self.reported is not None


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same pieces, as few as may be."""
    runs: list[tuple[Piece, list[str]]] = []
    last: Piece | None = None
    for piece in pieces:
        if last is None or not piece.continues(last):
            runs.append((piece, []))
        runs[-1][1].append(piece.text)
        last = piece
    return [Piece("".join(texts), first.channel, first.tool) for first, texts in runs]


def tool_calls(pieces: Sequence[Piece]) -> list[dict[str, object]]:
    """The calls that pieces make up, as OpenAI's API has them in a message."""
    calls: list[tuple[ToolCall, list[str]]] = []
    for piece in pieces:
        if piece.tool is None:
            continue
        if piece.tool.id or piece.tool.name or not calls:
            calls.append((piece.tool, []))
        owner = next((call for call in reversed(calls) if call[0].index == piece.tool.index), calls[-1])
        owner[1].append(piece.text)
    return [
        {"id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": "".join(parts)}}
        for tool, parts in calls
    ]
