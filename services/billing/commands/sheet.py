"""A wallet's statement as CSV, for a spreadsheet: exact, checked, and harmless to open."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from queqiao.billing.v1 import billing_pb2

from services.billing.commands.texts import in_china, word
from services.billing.money import yuan_from_micros
from services.runtime.errors import Code, ServiceError

COLUMNS = (
    "id",
    "time",
    "kind",
    "amount (yuan)",
    "balance after (yuan)",
    "request id",
    "model",
    "input tokens",
    "cached tokens",
    "output tokens",
)

# A spreadsheet takes a cell that begins so for a formula; some take the full-width forms too.
# Source: OWASP, CSV Injection.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


class StatementError(ServiceError):
    """The balances of a statement do not follow from one another."""

    code = Code.DATA_LOSS
    reason = "STATEMENT_INCONSISTENT"


@dataclass(frozen=True, slots=True)
class Statement:
    """A wallet's transactions from `start` to before `end`, the oldest first, and its balance before them."""

    start: datetime
    end: datetime
    opening_micros: int
    transactions: Sequence[billing_pb2.Transaction]


def written(statement: Statement) -> str:
    """The statement as CSV (RFC 4180): a line of names, the opening balance, the transactions, the closing balance.

    Raises:
        StatementError: A balance is not the one before it plus the amount.
    """
    closing_micros = _checked_closing(statement)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerow(_balance_row(statement.start, "opening balance", statement.opening_micros))
    rows.writerows(map(_row, statement.transactions))
    rows.writerow(_balance_row(statement.end, "closing balance", closing_micros))
    return text.getvalue()


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _checked_closing(statement: Statement) -> int:
    balance = statement.opening_micros
    for transaction in statement.transactions:
        balance += transaction.amount_micros
        if balance != transaction.balance_after_micros:
            raise StatementError(
                f"The statement does not add up: the balance after transaction {transaction.id} should be "
                f"¥{yuan_from_micros(balance)} and is ¥{yuan_from_micros(transaction.balance_after_micros)}; "
                "run `queqiao ledger verify`."
            )
    return balance


def _balance_row(moment: datetime, name: str, balance_micros: int) -> tuple[str, ...]:
    return ("", _time(moment), name, "", yuan_from_micros(balance_micros), "", "", "", "", "")


def _row(transaction: billing_pb2.Transaction) -> tuple[str, ...]:
    turn = transaction.receipt if transaction.HasField("receipt") else None
    return (
        str(transaction.id),
        _time(in_china(transaction.create_time)),
        word(transaction, "kind"),
        yuan_from_micros(transaction.amount_micros),
        yuan_from_micros(transaction.balance_after_micros),
        cell(transaction.request_id),
        cell(turn.model) if turn else "",
        *_tokens(transaction),
    )


def _tokens(transaction: billing_pb2.Transaction) -> tuple[str, str, str]:
    # A reversal carries its turn too; its tokens are on the turn's own line, so that a column adds up.
    if transaction.kind != billing_pb2.TRANSACTION_KIND_TURN:
        return ("", "", "")
    used = transaction.receipt.usage
    return (str(used.input_tokens), str(used.cached_input_tokens), str(used.output_tokens))


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
