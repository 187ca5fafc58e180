"""What a query string may say. Pure.

Unknown and repeated parameters are refused by name, so that none is silently without effect.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from starlette.datastructures import QueryParams

from services.gateway.edge.body import shown, wrong
from services.gateway.edge.pages import PageRequest
from services.gateway.edge.texts import clean

# Days are China's, and there is one clock for all of it.
CHINA = timezone(timedelta(hours=8))

_LIMIT_DEFAULT, _LIMIT_MAX = 20, 100
_DAYS_DEFAULT, _DAYS_MAX = 30, 366

_NUMBER = re.compile(r"[0-9]{1,9}")
_CURSOR = re.compile(r"[\x21-\x7e]{1,512}")
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Period:
    """Days of UTC+8, the first and the last included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """The moment it begins."""
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """The moment after it."""
        return _midnight(self.last + timedelta(days=1))


def page(params: QueryParams) -> PageRequest:
    """`limit` and `after` of a list.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _page(_given(params, ("limit", "after")))


def search(params: QueryParams, *, characters_max: int) -> tuple[PageRequest, str]:
    """`limit` and `after` of a list, and its `query`, "" for all of it.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    given = _given(params, ("limit", "after", "query"))
    query = clean("query", given.get("query", "").strip())
    if len(query) > characters_max:
        raise wrong("query", "too_long", limit=characters_max)
    if any(character in query for character in "\t\r\n\x7f"):
        raise wrong("query", "characters")
    return _page(given), query


def _page(given: Mapping[str, str]) -> PageRequest:
    limit = given.get("limit", str(_LIMIT_DEFAULT))
    if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= _LIMIT_MAX:
        raise wrong("limit", "range", low=1, high=_LIMIT_MAX)
    after = given.get("after", "")
    if "after" in given and not _CURSOR.fullmatch(after):
        raise wrong("after", "cursor")
    return PageRequest(int(limit), after)


@dataclass(frozen=True, slots=True)
class Resume:
    """How a stream is gone on with: behind which event, "" from the beginning; whether usage has a chunk of its own."""

    after: str
    include_usage: bool


def resume(params: QueryParams) -> Resume:
    """`after` and `include_usage` of a stream.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    given = _given(params, ("after", "include_usage"))
    include = given.get("include_usage", "false")
    if include not in ("true", "false"):
        raise wrong("include_usage", "one_of", allowed="true, false")
    return Resume(given.get("after", ""), include == "true")


def choice(params: QueryParams, name: str, allowed: Sequence[str]) -> str:
    """One of a few words, the first unless said.

    Raises:
        InvalidRequestError: It is another word.
    """
    found = _given(params, (name,)).get(name, allowed[0])
    if found not in allowed:
        raise wrong(name, "one_of", allowed=", ".join(allowed))
    return found


def period(params: QueryParams, now: datetime) -> Period:
    """`start` and `end`; without an end until today, without a start the last 30 days before the end.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    given = _given(params, ("start", "end"))
    last = _day("end", given["end"]) if "end" in given else now.astimezone(CHINA).date()
    first = _day("start", given["start"]) if "start" in given else last - timedelta(days=_DAYS_DEFAULT - 1)
    if first > last:
        raise wrong("start", "after_end")
    if last - first >= timedelta(days=_DAYS_MAX):
        raise wrong("start", "too_many_days", limit=_DAYS_MAX)
    return Period(first, last)


def _given(params: QueryParams, names: Collection[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in params.multi_items():
        if name not in names:
            raise wrong(shown(name), "unknown")
        if name in found:
            raise wrong(name, "duplicate")
        found[name] = value
    return found


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise wrong(name, "date") from None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA).astimezone(UTC)
