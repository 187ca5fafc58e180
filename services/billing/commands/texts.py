"""How the commands write money, times, words and tables, and how they read numbers and times. Pure but for protos."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import typer
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.billing.money import yuan_from_micros

# Days and months are those of China, which has no summer time.
CHINA = timezone(timedelta(hours=8))

_MICROS_PER_FEN = 10_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def yuan(micros: int) -> str:
    """An exact amount of micro-yuan: ¥0.000028."""
    return f"{'-' if micros < 0 else ''}¥{yuan_from_micros(abs(micros))}"


def yuan_of_fen(fen: int) -> str:
    """An exact amount of fen: ¥9.99."""
    return yuan(fen * _MICROS_PER_FEN)


def dollars(micros: int) -> str:
    """An exact amount of micro-dollars: $0.15."""
    return f"${yuan_from_micros(micros)}"


def percent(basis_points: int) -> str:
    """Basis points: 20%, 12.5%."""
    whole, part = divmod(basis_points, 100)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".") + "%"


def moment(message: Message, field: str) -> str:
    """A timestamp of a message in UTC+8, by ISO 8601; a dash when it is absent."""
    if not message.HasField(field):
        return "-"
    return in_china(getattr(message, field)).isoformat(timespec="seconds")


def in_china(timestamp: Timestamp) -> datetime:
    """A time on the clocks of China."""
    return timestamp.ToDatetime(CHINA)


def timestamp(moment: datetime) -> Timestamp:
    """A time on the wire."""
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def word(message: Message, field: str) -> str:
    """An enum of a message in lower case, such as "topup"; what is newer than this client is its number.

    The first value of each enum is X_UNSPECIFIED, which tells the prefix that is left out.
    """
    number = getattr(message, field)
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    values = enum.values_by_number if enum else {}
    if number not in values:
        return str(number)
    return values[number].name.removeprefix(values[0].name.removesuffix("UNSPECIFIED")).lower()


def last_days(days: int) -> tuple[datetime, datetime]:
    """From the midnight in China that began the first of these days until now; today is the last of them."""
    now = datetime.now(CHINA)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days - 1), now


def scaled(text: str, places: int) -> int:
    """A decimal number that is not negative, times ten to the power of `places`, exactly.

    >>> scaled("0.075", 6)
    75000

    Raises:
        BadParameter: It is no such number, or has more decimal places.
    """
    # At most 18 digits are well within a Decimal's 28, so nothing is rounded.
    number = Decimal(text).scaleb(places) if _NUMBER.fullmatch(text) else None
    if number is None or number != int(number):
        raise typer.BadParameter(f"{text!r} is no number such as 7.10 with at most {places} decimal places.")
    return int(number)


def day(text: str) -> date:
    """A day as YYYY-MM-DD.

    Raises:
        BadParameter: There is no such day.
    """
    try:
        # Python reads ISO 8601's other forms too, such as 2026-W45-1.
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise typer.BadParameter(f"{text!r} is no day, such as 2026-11-30.")
    return found


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned lines under a line of names; a column whose name begins with ">" is aligned to the right."""
    right = [name.startswith(">") for name in columns]
    lines = [[name.removeprefix(">") for name in columns], *([_printable(cell) for cell in row] for row in rows)]
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
    return "\n".join(f"{name.ljust(width)}  {_printable(value)}".rstrip() for name, value in pairs)


def _printable(text: str) -> str:
    # A model's or an operator's text must not steer the terminal.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
