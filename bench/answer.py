"""What the simulated provider says, and how OpenAI's protocol writes it on the wire."""

import functools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.directive import Behaviour, text_of
from bench.schema import prescribed

_PASSAGE = (
    "七夕的夜里喜鹊搭起一座桥让隔着银河的两个人见面清晨的河边有人打水有人洗菜孩子们沿着石板路去上学老茶馆里坐满了"
    "听书的客人春天播种秋天收获山里的果树开了又落海上的船出去又回来一封信走了三个月才到家里读信的人把每个字看了两遍"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer: its deltas in order, why it ended, and what it cost in tokens."""

    deltas: tuple[str, ...]
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning: tuple[str, ...] = ()
    tool: str | None = None

    @property
    def usage(self) -> dict[str, object]:
        """The `usage` object of OpenAI's protocol."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": sum(map(len, self.reasoning))},
        }


def compose(
    behaviour: Behaviour,
    messages: Sequence[Mapping[str, object]],
    max_tokens: int | None,
    seed: int,
    body: Mapping[str, object] | None = None,
) -> Answer:
    """The answer to `messages`; a character counts as a token, and `max_tokens` cuts it short.

    `body` is the whole request, for a behaviour that repeats it, or answers in its shape.
    """
    echoed: object = body if behaviour.echo_body else messages if behaviour.echo else None
    if behaviour.json:
        echoed = prescribed((body or {}).get("response_format"))
    tool = None if messages and messages[-1].get("role") == "tool" else behaviour.tool
    deltas = _deltas(behaviour, echoed, seed)
    reasoning = _parts(behaviour.reasoning or "")
    finish_reason = "stop" if tool is None else "tool_calls"
    if max_tokens is not None and sum(map(len, deltas)) > max_tokens:
        deltas, finish_reason = _shortened(deltas, max_tokens), "length"
    prompt = behaviour.prompt_tokens
    written = behaviour.completion_tokens
    return Answer(
        deltas=deltas,
        finish_reason=finish_reason,
        prompt_tokens=sum(len(text_of(m.get("content"))) for m in messages) if prompt is None else prompt,
        completion_tokens=sum(map(len, deltas + reasoning)) if written is None else written,
        cached_tokens=behaviour.cached_tokens or 0,
        reasoning=reasoning,
        tool=tool,
    )


def _deltas(behaviour: Behaviour, echoed: object, seed: int) -> tuple[str, ...]:
    if echoed is not None:
        text = json.dumps(echoed, ensure_ascii=False)
        return tuple(text[i : i + 8] for i in range(0, len(text), 8))
    if behaviour.text is not None:
        return _parts(behaviour.text)
    return passage(behaviour.deltas, seed)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("|") if part)


@functools.lru_cache(maxsize=256)
def passage(deltas: int, seed: int) -> tuple[str, ...]:
    """`deltas` pieces of 4 to 8 Chinese characters, the same for the same seed."""
    source = random.Random(seed)
    endless = _PASSAGE * 2
    pieces = []
    at = 0
    for _ in range(deltas):
        size = source.randint(4, 8)
        pieces.append(endless[at : at + size])
        at = (at + size) % len(_PASSAGE)
    return tuple(pieces)


def _shortened(deltas: Sequence[str], max_characters: int) -> tuple[str, ...]:
    kept = []
    left = max_characters
    for delta in deltas:
        if left <= 0:
            break
        kept.append(delta[:left])
        left -= len(delta)
    return tuple(kept)


class ChunkWriter:
    """Writes the server-sent events of one streamed completion.

    `include_usage` follows the request's `stream_options`: each chunk but the last then says null.
    """

    def __init__(self, completion_id: str, created: int, model: str, include_usage: bool) -> None:
        head: dict[str, object] = {
            "id": completion_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }
        self._head = b"data: " + _json(head)[:-1] + b","
        self._choice = self._head + b'"choices":[{"index":0,"delta":'
        self._end = b'"usage":null}\n\n' if include_usage else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + (b"," if include_usage else b"") + self._end

    def role(self) -> bytes:
        """The first event: the assistant's role and no text."""
        return self._choice + b'{"role":"assistant","content":"","refusal":null}' + self._tail

    def content(self, delta: str) -> bytes:
        """The event of one delta."""
        return self._choice + _content(delta) + self._tail

    def reasoning(self, delta: str) -> bytes:
        """The event of one delta of what the model thinks."""
        return self._choice + _json({"reasoning_content": delta}) + self._tail

    def tool_call(self, name: str) -> list[bytes]:
        """The events of a call of a function, with arguments that come in pieces."""
        first = {"index": 0, "id": "call_simulated", "type": "function", "function": {"name": name, "arguments": ""}}
        more = [{"index": 0, "function": {"arguments": part}} for part in ('{"city"', ': "长', '沙"}')]
        return [self._choice + _json({"tool_calls": [call]}) + self._tail for call in (first, *more)]

    def finish(self, reason: str) -> bytes:
        """The event that says why the answer ended."""
        comma = b"," if self._end.startswith(b'"') else b""
        return self._choice + b'{},"logprobs":null,"finish_reason":"' + reason.encode() + b'"}]' + comma + self._end

    def usage(self, answer: Answer) -> bytes:
        """The event without choices that carries the usage figures."""
        return self._head + b'"choices":[],"usage":' + _json(answer.usage) + b"}\n\n"


DONE = b"data: [DONE]\n\n"


def completion(completion_id: str, created: int, model: str, answer: Answer, with_usage: bool) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    message: dict[str, object] = {"role": "assistant", "content": "".join(answer.deltas), "refusal": None}
    body: dict[str, object] = {
        "id": completion_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}],
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }
    if with_usage:
        body["usage"] = answer.usage
    return body


_ERROR_CODES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_exceeded", "rate_limit_exceeded"),
}


def error_body(status: int, message: str, param: str | None = None) -> dict[str, object]:
    """OpenAI's error object for an HTTP status."""
    kind, code = _ERROR_CODES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@functools.lru_cache(maxsize=4096)
def _content(delta: str) -> bytes:
    return _json({"content": delta})
