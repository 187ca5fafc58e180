"""What the simulated provider should do with one request, read from the question itself.

A question may carry a directive, `[[sim deltas=8 first_ms=0 status=500]]`. It travels through the whole mesh
as ordinary text, so a test can ask the provider for any behaviour without a side channel. README.md lists the
keys. Where there are several providers, a directive may be for one of them alone: `[[sim only=a status=500]]`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

_DIRECTIVE = re.compile(r"\[\[sim(?P<body>(?:\s[^\]]*)?)\]\]")
_PAIR = re.compile(r'\s*(?P<key>[a-z_]+)(?:=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+)))?(?=\s|$)')

_LIMITS = {"deltas": 100_000, "first_ms": 600_000, "interval_ms": 600_000, "status": 599}
_DEFAULT_LIMIT = 1_000_000_000


class DirectiveError(ValueError):
    """The directive cannot be understood; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one request is answered. Times are milliseconds; counts of deltas leave the role chunk out.

    `text` fixes the answer; a `|` in it marks where one delta ends and the next begins. `cut_after` drops the
    connection and `stall_after` goes silent after that many deltas. `status` other than 200 answers that error
    at once, with `retry_after_s` in its Retry-After header. `echo` answers the received messages as JSON,
    `echo_body` the whole request, `json` the least object that the request's `response_format` allows.
    The token counts replace the simulated usage figures (one character, one token). `only` is the provider, or the
    key, that this is for; None for all.

    Of a stream alone: `reasoning` comes before the text, cut likewise, and a call of the function `tool` after it,
    unless its result has just come; `crlf` ends lines with two bytes; `comments` puts a comment and an event name
    before each event; `piece_bytes` sends the bytes in pieces of that size, whatever they cut; `torn` lets `cut_after`
    drop the connection in the middle of the next event; `bad_json` ends the answer with an event that is no JSON;
    `done_twice`, `no_done` and `no_finish` repeat or leave out the ends that the protocol wants.
    """

    deltas: int = 64
    first_ms: int = 300
    interval_ms: int = 20
    text: str | None = None
    status: int = 200
    retry_after_s: int | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    no_usage: bool = False
    echo: bool = False
    echo_body: bool = False
    json: bool = False
    only: str | None = None
    reasoning: str | None = None
    tool: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    crlf: bool = False
    comments: bool = False
    piece_bytes: int | None = None
    torn: bool = False
    bad_json: bool = False
    done_twice: bool = False
    no_done: bool = False
    no_finish: bool = False

    @property
    def halts(self) -> bool:
        """Whether the answer stops before its end."""
        return self.cut_after is not None or self.stall_after is not None

    @property
    def halts_after(self) -> int | None:
        """After how many deltas the answer stops; None when it goes to its end."""
        return self.stall_after if self.cut_after is None else self.cut_after


_FLAGS = frozenset(f.name for f in fields(Behaviour) if f.type is bool)
_TEXTS = frozenset({"text", "only", "reasoning", "tool"})
_ALIASES = {"retry_after": "retry_after_s", "first_token_ms": "first_ms"}
_KEYS = frozenset(f.name for f in fields(Behaviour)) | frozenset(_ALIASES)


def behaviour_of(question: str, default: Behaviour, names: Collection[str] = ()) -> Behaviour:
    """`default` as changed by the first directive in `question` that is for everybody, or for one of `names`.

    Raises:
        DirectiveError: a key is unknown, or its value is missing or out of range.
    """
    for found in _DIRECTIVE.finditer(question):
        changes = _changes(found["body"].rstrip())
        if changes.get("only") in (None, *names):
            # The keys were checked against the fields, and each value against its field's type.
            return replace(default, **changes)  # type: ignore[arg-type]  # a mapping cannot carry a type per key
    return default


def _changes(body: str) -> dict[str, int | bool | str]:
    changes: dict[str, int | bool | str] = {}
    at = 0
    while at < len(body):
        pair = _PAIR.match(body, at)
        if pair is None:
            raise DirectiveError(f"the directive cannot be read from {body[at:].strip()!r}; write key=value")
        at = pair.end()
        key = _ALIASES.get(pair["key"], pair["key"])
        changes[key] = _value(key, pair["quoted"] if pair["quoted"] is not None else pair["plain"])
    return changes


def _value(key: str, raw: str | None) -> int | bool | str:
    if key not in _KEYS:
        raise DirectiveError(f"the directive has no key {key!r}; it knows {', '.join(sorted(_KEYS))}")
    if key in _FLAGS:
        if raw is not None:
            raise DirectiveError(f"{key} is a switch: write it without a value")
        return True
    if raw is None:
        raise DirectiveError(f"{key} needs a value: write {key}=…")
    if key in _TEXTS:
        return raw
    limit = _LIMITS.get(key, _DEFAULT_LIMIT)
    if not (raw.isascii() and raw.isdigit()) or len(raw) > 10 or int(raw) > limit:
        raise DirectiveError(f"{key} must be a whole number from 0 to {limit}, not {raw!r}")
    if key == "piece_bytes" and int(raw) == 0:
        raise DirectiveError("piece_bytes must be at least 1")
    if key == "status" and int(raw) != 200 and int(raw) < 400:
        raise DirectiveError(f"status must be 200 or an error from 400 to 599, not {raw!r}")
    return int(raw)


def last_user_text(messages: Sequence[Mapping[str, object]]) -> str:
    """The text of the last message whose role is `user`, its text parts joined; empty when there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return ""


def text_of(content: object) -> str:
    """The text of a message's `content`, which OpenAI's protocol writes as a string or as a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""
