"""How word lists are written: bytes to entries and back. Pure.

TXT has one word a line; empty lines and lines that begin with # are comments. CSV follows RFC 4180, one entry a line,
under a header that names its columns: word (required), label, tier, also, near, within; several values of `also` and of
`near` are set apart by |. Both are UTF-8. Words are taken literally.

A file's name says what its entries are that do not say themselves: `LABEL[-TIER]-anything.txt` or `.csv`, and
`allow-anything.txt` or `.csv` for innocent phrases.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from services.moderation.domain import LABELS, OTHER
from services.moderation.errors import InvalidListError
from services.moderation.lexicon.entries import Entry, Tier
from services.moderation.lexicon.spelling import fold_key
from services.moderation.lists.columns import COLUMNS, complaint, entry_of_row, row_of_entry
from services.runtime.errors import ServiceError

BYTES_MAX = 8_000_000
ENTRIES_MAX = 200_000
PROBLEMS_MAX = 100

# Room for a word, eight words near it and every other column, all in quotes.
_LINE_CHARACTERS_MAX = 2_048

# Of both UTF-32 and UTF-16, so the longer ones are asked first.
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FILE_NAME = re.compile(
    rf"(?:(?P<label>{'|'.join(map(str, LABELS))})(?:-(?P<tier>{'|'.join(Tier)}))?|(?P<allow>allow))"
    r"-.+\.(?P<format>txt|csv)"
)


class Format(StrEnum):
    """How a list is written."""

    TXT = "txt"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Form:
    """How a list is written, and what its entries are that do not say themselves."""

    format: Format
    label: int = OTHER
    tier: Tier = Tier.BLOCK


def form_of_file(name: str) -> Form:
    """What a file's name says of it.

    Raises:
        InvalidListError: It does not say what is in it.
    """
    found = _FILE_NAME.fullmatch(name)
    if found is None:
        known = ", ".join(map(str, LABELS))
        raise _invalid(
            {
                "name": "a list's name is LABEL-anything, LABEL-TIER-anything or allow-anything, and .txt or .csv, "
                f"where LABEL is one of {known} and TIER one of {', '.join(Tier)}"
            }
        )
    tier = Tier.ALLOW if found["allow"] else Tier(found["tier"] or Tier.BLOCK)
    return Form(Format(found["format"]), int(found["label"] or OTHER), tier)


def read(content: bytes, form: Form, *, list_name: str) -> list[Entry]:
    """The entries of a list.

    Raises:
        InvalidListError: Something is wrong with it; `fields` has a sentence for each wrong line ("line 12"), at most
            100, or for "content" as a whole.
    """
    problems = _Problems()
    text = _decoded(content, problems)
    lines = _lines(text, problems)
    rows = _records(lines, problems) if form.format is Format.CSV else _words(lines)
    seen: dict[str, int] = {}
    entries: list[Entry] = []
    for number, row in rows:
        entry = _entry(number, row, form, list_name, problems)
        if entry is None:
            continue
        first = seen.setdefault(fold_key(entry), number)
        if first != number:
            problems.add(number, f"the same word stands on line {first}")
        entries.append(entry)
        if len(entries) > ENTRIES_MAX:
            raise _invalid({"content": f"has more than {ENTRIES_MAX:,} entries: make it several lists"})
    problems.demand()
    return entries


def write(entries: Iterable[Entry]) -> bytes:
    """Entries as CSV with every column, which `read` understands whatever the form's defaults are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(row_of_entry, entries))
    return text.getvalue().encode()


def places(error: ServiceError, list_name: str) -> dict[str, str]:
    """What an InvalidListError says, by its place: {"20006-crime.txt:12": "the word is empty"}."""
    return {
        f"{list_name}:{field.removeprefix('line ')}" if field.startswith("line ") else list_name: why
        for field, why in error.fields.items()
    }


class _Problems:
    """What is wrong, by line; the hundredth wrong line ends the reading."""

    def __init__(self) -> None:
        self._by_line: dict[int, str] = {}

    def add(self, line: int, why: str) -> None:
        self._by_line.setdefault(line, why)
        if len(self._by_line) >= PROBLEMS_MAX:
            self.demand()

    def demand(self) -> None:
        if self._by_line:
            raise _invalid({f"line {number}": why for number, why in sorted(self._by_line.items())})


def _invalid(fields: dict[str, str]) -> InvalidListError:
    place, why = next(iter(fields.items()))
    if len(fields) == 1:
        return InvalidListError(f"The list is wrong, {place}: {why}.", fields=fields)
    count = f"{len(fields)} lines" if len(fields) < PROBLEMS_MAX else f"at least {PROBLEMS_MAX} lines"
    return InvalidListError(f"In the list {count} are wrong; the first, {place}: {why}.", fields=fields)


def _decoded(content: bytes, problems: _Problems) -> str:
    if len(content) > BYTES_MAX:
        raise _invalid({"content": f"is larger than {BYTES_MAX:,} bytes: make it several lists"})
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            raise _invalid({"line 1": f"the file is {encoding}, not UTF-8: save it as UTF-8"})
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    hint = " (it looks like GBK)" if _is_gbk(content) else ""
    for number, line in enumerate(io.BytesIO(content), start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            problems.add(number, f"the line is not UTF-8{hint}: save the file as UTF-8")
    problems.demand()
    raise AssertionError("bytes that are no UTF-8 have a line that is none")


def _is_gbk(content: bytes) -> bool:
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: str, problems: _Problems) -> Iterator[tuple[int, str]]:
    """(number, line) of all that say something, and can be read."""
    for number, raw in enumerate(io.StringIO(text, newline=None), start=1):
        line = raw.strip()
        if not line:
            continue
        if found := _CONTROL.search(line):
            what = "a NUL (is the file UTF-16? save it as UTF-8)" if found[0] == "\0" else "a control character"
            problems.add(number, f"the line contains {what}")
        elif not line.startswith("#"):
            if len(line) > _LINE_CHARACTERS_MAX:
                problems.add(number, f"the line is longer than {_LINE_CHARACTERS_MAX:,} characters")
            else:
                yield number, line


def _words(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, dict[str, str]]]:
    """(number, column → field) of all lines."""
    return ((number, {"word": line}) for number, line in lines)


def _records(lines: Iterator[tuple[int, str]], problems: _Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """(number, column → field) of all lines below the header."""
    number, first = next(lines, (1, ""))
    header = [name.strip().lower() for name in _fields(number, first, problems) or ()]
    if unknown := [name for name in header if name not in COLUMNS]:
        problems.add(number, f"there is no column {unknown[0][:20]!a}; the columns are {', '.join(COLUMNS)}")
    elif len(set(header)) < len(header):
        problems.add(number, "a column is named twice")
    elif "word" not in header:
        problems.add(number, f"the first line names the columns, of which word is needed: {', '.join(COLUMNS)}")
    # Without a header no line means anything.
    problems.demand()
    for number, line in lines:
        fields = _fields(number, line, problems)
        if fields is None or not any(map(str.strip, fields)):
            continue
        if len(fields) != len(header):
            problems.add(number, f"the line has {len(fields)} fields, and the header {len(header)}")
        else:
            yield number, dict(zip(header, fields, strict=True))


def _fields(number: int, line: str, problems: _Problems) -> list[str] | None:
    # Line by line, for no entry has a line break in it, and a quote that is not closed spoils no other line.
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        problems.add(number, 'a quote is not closed, or stands within a field: write "a ""b"" c"')
        return None


def _entry(number: int, row: dict[str, str], form: Form, list_name: str, problems: _Problems) -> Entry | None:
    try:
        entry = entry_of_row(row, label=form.label, tier=form.tier, list_name=list_name)
    except ValueError as error:
        problems.add(number, str(error))
        return None
    why = complaint(entry)
    if why:
        problems.add(number, why)
        return None
    return entry
