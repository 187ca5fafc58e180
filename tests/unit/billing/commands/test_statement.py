"""`queqiao statement`: all pages of a month of China, checked before anything is written."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import billing_pb2

from tests.fakes.books import FakeBooks
from tests.unit.billing.commands.conftest import Queqiao

OCTOBERS_LAST = datetime(2026, 10, 31, 15, 59, 59, 999_999, tzinfo=UTC)
NOVEMBERS_FIRST = datetime(2026, 10, 31, 16, tzinfo=UTC)
NOVEMBERS_LAST = datetime(2026, 11, 30, 15, 59, 59, 999_999, tzinfo=UTC)
DECEMBERS_FIRST = datetime(2026, 11, 30, 16, tzinfo=UTC)


def moves(*moved: tuple[datetime, int]) -> list[billing_pb2.Transaction]:
    """Grants at these times of these amounts, the newest first."""
    listed, balance = [], 0
    for number, (moment, amount) in enumerate(moved, start=1):
        balance += amount
        time = Timestamp()
        time.FromDatetime(moment)
        listed.append(
            billing_pb2.Transaction(
                id=number,
                kind=billing_pb2.TRANSACTION_KIND_GRANT,
                amount_micros=amount,
                balance_after_micros=balance,
                request_id=f"g{number}",
                create_time=time,
            )
        )
    return listed[::-1]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_month_begins_and_ends_at_midnight_in_china(books: FakeBooks, queqiao: Queqiao) -> None:
    books.transactions = moves(
        (OCTOBERS_LAST, 1_000_000), (NOVEMBERS_FIRST, 200_000), (NOVEMBERS_LAST, -30_000), (DECEMBERS_FIRST, 4_000)
    )
    ran = await queqiao("statement", "--user", "u", "--month", "2026-11")
    assert (ran.status, ran.complaint) == (0, "")
    shown = [(row["id"], row["time"], row["kind"], row["balance after (yuan)"]) for row in rows(ran.printed)]
    assert shown == [
        ("", "2026-11-01T00:00:00.000+08:00", "opening balance", "1.00"),
        ("2", "2026-11-01T00:00:00.000+08:00", "grant", "1.20"),
        ("3", "2026-11-30T23:59:59.999+08:00", "grant", "1.17"),
        ("", "2026-12-01T00:00:00.000+08:00", "closing balance", "1.17"),
    ]


async def test_decembers_next_month_is_january(books: FakeBooks, queqiao: Queqiao) -> None:
    books.transactions = moves((DECEMBERS_FIRST, 1), (datetime(2026, 12, 31, 16, tzinfo=UTC), 1))
    ran = await queqiao("statement", "--user", "u", "--month", "2026-12")
    assert [(row["id"], row["time"]) for row in rows(ran.printed)][1:] == [
        ("1", "2026-12-01T00:00:00.000+08:00"),
        ("", "2027-01-01T00:00:00.000+08:00"),
    ]


async def test_months_follow_one_another_without_a_gap(books: FakeBooks, queqiao: Queqiao) -> None:
    books.transactions = moves(*[(OCTOBERS_LAST + timedelta(days=n), 7) for n in range(60)])
    months = [rows((await queqiao("statement", "--user", "u", "--month", f"2026-{n}")).printed) for n in (10, 11, 12)]
    assert [month[0]["balance after (yuan)"] for month in months[1:]] == [
        month[-1]["balance after (yuan)"] for month in months[:-1]
    ]
    assert [row["id"] for month in months for row in month[1:-1]] == [str(n) for n in range(1, 61)]


async def test_all_pages_are_read_and_the_oldest_comes_first(books: FakeBooks, queqiao: Queqiao) -> None:
    books.transactions = moves(*[(NOVEMBERS_FIRST + timedelta(minutes=n), 5) for n in range(25)])
    books.page_max = 10
    ran = await queqiao("statement", "--user", "u", "--month", "2026-11")
    assert [row["id"] for row in rows(ran.printed)][1:-1] == [str(n) for n in range(1, 26)]
    asked = [request for request in books.asked if isinstance(request, billing_pb2.ListTransactionsRequest)]
    assert [request.page_token for request in asked if request.HasField("start_time")] == ["", "10", "20"]


async def test_a_month_without_transactions_has_the_balance_from_before(books: FakeBooks, queqiao: Queqiao) -> None:
    books.transactions = moves((OCTOBERS_LAST, 1_500_000))
    ran = await queqiao("statement", "--user", "u", "--month", "2026-11")
    assert [row["balance after (yuan)"] for row in rows(ran.printed)] == ["1.50", "1.50"]


async def test_this_month_is_the_default(books: FakeBooks, queqiao: Queqiao) -> None:
    books.transactions = moves((datetime.now(UTC), 1))
    ran = await queqiao("statement", "--user", "u")
    assert len(rows(ran.printed)) == 3


async def test_a_file_is_one_that_excel_reads_as_utf_8(books: FakeBooks, queqiao: Queqiao, tmp_path: Path) -> None:
    books.transactions = moves((NOVEMBERS_FIRST, -1))
    books.transactions[0].receipt.model = "通义千问"
    out = tmp_path / "十一月.csv"
    ran = await queqiao("statement", "--user", "u", "--month", "2026-11", "--out", str(out))
    assert (ran.status, ran.printed) == (0, "")
    assert out.read_bytes().startswith(b"\xef\xbb\xbfid,time,")
    text = out.read_bytes().decode("utf-8-sig")
    assert rows(text)[1]["model"] == "通义千问"
    assert "\r\r\n" not in text


async def test_books_that_do_not_add_up_write_nothing(books: FakeBooks, queqiao: Queqiao, tmp_path: Path) -> None:
    books.transactions = moves((OCTOBERS_LAST, 100), (NOVEMBERS_FIRST, 5), (NOVEMBERS_LAST, 5))
    # Money that nothing moved, between October and November.
    books.transactions[-1].balance_after_micros += 1
    out = tmp_path / "out.csv"
    ran = await queqiao("statement", "--user", "u", "--month", "2026-11", "--out", str(out))
    assert (ran.status, ran.printed, out.exists()) == (1, "", False)
    assert "does not add up: the balance after transaction 2" in ran.complaint
    assert "\n" not in ran.complaint


async def test_a_file_that_cannot_be_written_is_a_wrong_option(
    books: FakeBooks, queqiao: Queqiao, tmp_path: Path
) -> None:
    ran = await queqiao("statement", "--user", "u", "--out", str(tmp_path / "nowhere" / "out.csv"))
    assert ran.status == 2
    assert "cannot be written: No such file or directory" in ran.complaint


@pytest.mark.parametrize(
    "month", ["2026", "2026-13", "2026-00", "2026-1", "202611", "2026-11-01", "1026-11", "２０２６-11"]
)
async def test_what_is_no_month_is_not_asked_for(books: FakeBooks, queqiao: Queqiao, month: str) -> None:
    ran = await queqiao("statement", "--user", "u", "--month", month)
    assert (ran.status, ran.printed, books.asked) == (2, "", [])
    assert "is no month, such as 2026-11" in ran.complaint
