"""How the commands write times, words and tables. Pure but for protos."""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# Days are those of China, which has no summer time.
CHINA = timezone(timedelta(hours=8))


def moment(message: Message, field: str) -> str:
    """A timestamp of a message in UTC+8, by ISO 8601; a dash when it is absent."""
    if not message.HasField(field):
        return "-"
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(CHINA).isoformat(timespec="seconds")


def timestamp(moment: datetime) -> Timestamp:
    """A time on the wire."""
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def word(message: Message, field: str) -> str:
    """An enum of a message in lower case, such as "refused"; what is newer than this client is its number.

    The first value of each enum is X_UNSPECIFIED, which tells the prefix that is left out.
    """
    number = getattr(message, field)
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    values = enum.values_by_number if enum else {}
    if number not in values:
        return str(number)
    return values[number].name.removeprefix(values[0].name.removesuffix("UNSPECIFIED")).lower()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned lines under a line of names; a column whose name begins with ">" is aligned to the right."""
    right = [name.startswith(">") for name in columns]
    lines = [[name.removeprefix(">") for name in columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            " " * (width - _width(cell)) + cell if to_the_right else cell + " " * (width - _width(cell))
            for cell, width, to_the_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def facts(*pairs: tuple[str, str]) -> str:
    """One line each: a name and, aligned, its value."""
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {printable(value)}".rstrip() for name, value in pairs)


def printable(text: str) -> str:
    """Text that does not steer the terminal, whoever wrote it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
