"""What a query string may say."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from services.gateway.edge import queries
from services.gateway.edge.pages import PageRequest
from services.runtime.errors import InvalidRequestError

# 07:30 on the 2nd in China.
NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def period(query: str) -> tuple[str, str]:
    found = queries.period(QueryParams(query), NOW)
    return str(found.first), str(found.last)


def problem(call: object, query: str) -> tuple[list[str], str]:
    with pytest.raises(InvalidRequestError) as caught:
        if call is queries.page:
            queries.page(QueryParams(query))
        else:
            queries.period(QueryParams(query), NOW)
    return list(caught.value.fields), caught.value.metadata["problem"]


def test_a_page_has_twenty_items_unless_said() -> None:
    assert queries.page(QueryParams("")) == PageRequest(20, "")
    assert queries.page(QueryParams("limit=100&after=abc%3D")) == PageRequest(100, "abc=")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "ten", "9" * 400, "１", "1_0", "+5", " 5"])
def test_a_limit_is_one_to_a_hundred(limit: str) -> None:
    assert problem(queries.page, f"limit={limit.replace('+', '%2B')}") == (["limit"], "range")


@pytest.mark.parametrize("after", ["", "a%20b", "%00", "x" * 513, "é"])
def test_a_cursor_that_was_never_ours_is_refused(after: str) -> None:
    assert problem(queries.page, f"after={after}") == (["after"], "cursor")


@pytest.mark.parametrize("call", [queries.page, queries.period])
def test_unknown_and_repeated_parameters_are_named(call: object) -> None:
    assert problem(call, "limt=1") == (["limt"], "unknown")
    name = "limit" if call is queries.page else "end"
    assert problem(call, f"{name}=2026-01-01&{name}=2026-01-01")[1] == "duplicate"


def test_usage_is_of_the_last_thirty_days_in_china_unless_said() -> None:
    assert period("") == ("2026-02-01", "2026-03-02")
    assert period("end=2026-01-31") == ("2026-01-02", "2026-01-31")
    assert period("start=2026-02-20") == ("2026-02-20", "2026-03-02")
    assert period("start=2026-02-20&end=2026-02-20") == ("2026-02-20", "2026-02-20")


def test_a_day_of_china_begins_at_sixteen_hours_utc() -> None:
    found = queries.period(QueryParams("start=2026-03-01&end=2026-03-02"), NOW)
    assert found.start == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert found.end == datetime(2026, 3, 2, 16, tzinfo=UTC)


def test_a_leap_year_is_the_longest_period() -> None:
    assert period("start=2024-01-01&end=2024-12-31") == ("2024-01-01", "2024-12-31")
    assert problem(queries.period, "start=2024-01-01&end=2025-01-01") == (["start"], "too_many_days")
    assert problem(queries.period, "start=2026-03-02&end=2026-03-01") == (["start"], "after_end")


@pytest.mark.parametrize(
    "day", ["", "today", "2026-02-30", "2026-2-3", "20260203", "2026-W05-1", "1999-01-01", "9999-12-31", "２026-01-01"]
)
@pytest.mark.parametrize("name", ["start", "end"])
def test_a_day_is_a_date(name: str, day: str) -> None:
    assert problem(queries.period, f"{name}={day}") == ([name], "date")


@given(first=st.dates(date(2000, 1, 1), date(2099, 12, 31)), days=st.integers(0, 500))
def test_any_period_is_whole_days_or_refused(first: date, days: int) -> None:
    last = date.fromordinal(first.toordinal() + days)
    try:
        found = queries.period(QueryParams(f"start={first}&end={last}"), NOW)
    except InvalidRequestError:
        assert days >= 366 or last.year > 2099
    else:
        assert (found.end - found.start).days == days + 1 <= 366
