"""`queqiao statement`: a month of a wallet as CSV."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from queqiao.billing.v1 import billing_pb2

from services.billing.commands import sheet
from services.billing.commands.client import Billing, User, run
from services.billing.commands.texts import CHINA, timestamp

app = typer.Typer()

_PAGE_MAX = 1_000
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@app.command()
def statement(
    user: User,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The month in UTC+8.", show_default="this one")] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="The file to write, with a mark that tells Excel that it is UTF-8.",
            show_default="print it",
        ),
    ] = None,
) -> None:
    """Write every transaction of a month as CSV, the oldest first, between its opening and its closing balance.

    Nothing is written unless every balance follows from the one before it.
    """
    start, end = _span(month or f"{datetime.now(CHINA):%Y-%m}")
    text = sheet.written(run(lambda billing: _read(billing, user, start, end)))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error.strerror}.", param_hint="--out") from None


def _span(month: str) -> tuple[datetime, datetime]:
    match = _MONTH.fullmatch(month)
    if match is None:
        raise typer.BadParameter(f"{month!r} is no month, such as 2026-11.", param_hint="--month")
    year, number = int(match[1]), int(match[2])
    # Months counted from the year 0, so that December's next is January.
    after = year * 12 + number
    return datetime(year, number, 1, tzinfo=CHINA), datetime(after // 12, after % 12 + 1, 1, tzinfo=CHINA)


async def _read(billing: Billing, user: str, start: datetime, end: datetime) -> sheet.Statement:
    """The month, and the balance before it as the wallet's last transaction before it tells."""
    earlier = billing_pb2.ListTransactionsRequest(user_id=user, page_size=1, end_time=timestamp(start))
    before = (await billing.call(billing.wallets.ListTransactions, earlier)).transactions
    request = billing_pb2.ListTransactionsRequest(
        user_id=user, page_size=_PAGE_MAX, start_time=timestamp(start), end_time=timestamp(end)
    )
    newest_first: list[billing_pb2.Transaction] = []
    while True:
        page = await billing.call(billing.wallets.ListTransactions, request)
        newest_first += page.transactions
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    opening_micros = before[0].balance_after_micros if before else 0
    return sheet.Statement(start, end, opening_micros, newest_first[::-1])
