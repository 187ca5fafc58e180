"""What the audit remembers of a finding. Pure.

The text itself is told by its SHA-256 alone, so that whoever has a text can find what was said of it. Such a hash hides
a long text and not a short one: who may read the audit can guess a phrase and compare. It is no substitute for keeping
the audit from strangers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.moderation.domain import Action, Direction, Finding, Layer

EXCERPT_CHARACTERS_MAX = 4_000
# PostgreSQL indexes no more than some 2,700 bytes, and an id in earnest is far shorter.
NAME_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Record:
    """A finding without its text; offsets are in characters of the text that was judged."""

    found_at: datetime
    action: Action
    direction: Direction
    layer: Layer
    rule: str
    label: int
    evasion: str
    start: int
    end: int
    text_sha256: bytes
    request_id: str
    trace_id: str
    user_id: str
    version: str
    score: float = 0.0
    grams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A record to write, and what is to be kept of its text; None when nothing is."""

    record: Record
    excerpt: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was written, and when an appeal against it was granted, if one was."""

    refusal_id: int
    record: Record
    appealed_at: datetime | None


@dataclass(frozen=True, slots=True)
class JudgedText:
    """What was kept of a question, what one layer did about it, and whether an appeal was granted."""

    text: str = field(repr=False)
    action: Action
    layer: Layer
    label: int
    appealed: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refusals are looked for; what is None, 0 or "" does not narrow. `end` is not part of the span."""

    start: datetime | None = None
    end: datetime | None = None
    layer: Layer | None = None
    direction: Direction | None = None
    action: Action | None = None
    label: int = 0
    user_id: str = ""
    request_id: str = ""
    text_sha256: bytes | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: refusals are listed by time and, of the same microsecond, by id."""

    found_at: datetime
    refusal_id: int


def notes(findings: Sequence[Finding], found_at: datetime, trace_id: str, *, keep_texts: bool) -> list[Note]:
    """Findings as they are to be written, under this trace if they name none; one text is hashed once."""
    hashes: dict[str, bytes] = {}
    result = []
    for finding in findings:
        if finding.text not in hashes:
            hashes[finding.text] = text_sha256(finding.text)
        record = Record(
            found_at=found_at,
            action=finding.action,
            direction=finding.direction,
            layer=finding.layer,
            rule=name(finding.rule),
            label=finding.label,
            evasion=finding.evasion,
            start=finding.start,
            end=finding.end,
            text_sha256=hashes[finding.text],
            request_id=name(finding.request_id),
            trace_id=finding.trace_id or trace_id,
            user_id=name(finding.user_id),
            version=finding.version,
            score=finding.score,
            grams=tuple(map(name, finding.grams)),
        )
        result.append(Note(record, excerpt(finding.text, finding.start, finding.end) if keep_texts else None))
    return result


def text_sha256(text: str) -> bytes:
    """What a text is found by: the SHA-256 of its UTF-8 form, 32 bytes."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def name(value: str) -> str:
    """An id or a rule as the audit knows it: at most 200 characters, and without NUL, which PostgreSQL refuses."""
    return value[:NAME_CHARACTERS_MAX].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def excerpt(text: str, start: int, end: int) -> str:
    """At most 4,000 characters of a text, with what was found in their middle where the text allows."""
    before = max(EXCERPT_CHARACTERS_MAX - (end - start), 0) // 2
    begin = max(min(start - before, len(text) - EXCERPT_CHARACTERS_MAX), 0)
    return text[begin : begin + EXCERPT_CHARACTERS_MAX]
