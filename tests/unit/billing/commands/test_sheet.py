"""A statement as CSV adds up to the micro-yuan and is harmless to open."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from queqiao.billing.v1 import billing_pb2

from services.billing.commands import sheet
from services.billing.commands.texts import CHINA
from services.billing.money import micros_from_yuan

START, END = datetime(2026, 11, 1, tzinfo=CHINA), datetime(2026, 12, 1, tzinfo=CHINA)

# What a spreadsheet must not take for a formula. Source: OWASP, CSV Injection.
DANGEROUS = tuple("=+-@\t\r\n＝＋－＠")

amounts = st.integers(-(10**12), 10**12)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20) | st.sampled_from(
    ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "通义千问", '他说"好"，\n然后走了', "a,b", "'=1"]
)


def month(opening: int, *moves: tuple[int, str, str]) -> sheet.Statement:
    """A statement of turns: amount, request id and model each."""
    transactions, balance = [], opening
    for number, (amount, request_id, model) in enumerate(moves, start=1):
        balance += amount
        time = Timestamp()
        time.FromDatetime(START.astimezone(UTC) + timedelta(seconds=number))
        transactions.append(
            billing_pb2.Transaction(
                id=number,
                kind=billing_pb2.TRANSACTION_KIND_TURN,
                amount_micros=amount,
                balance_after_micros=balance,
                request_id=request_id,
                create_time=time,
                receipt=billing_pb2.Receipt(
                    model=model, usage=billing_pb2.Usage(input_tokens=10, cached_input_tokens=4, output_tokens=number)
                ),
            )
        )
    return sheet.Statement(START, END, opening, transactions)


def lines(statement: sheet.Statement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.written(statement), newline="")))


@given(amounts, st.lists(st.tuples(amounts, texts, texts), max_size=20))
def test_a_statement_read_back_adds_up_to_the_micro_yuan(opening: int, moves: list[tuple[int, str, str]]) -> None:
    first, *rows, last = lines(month(opening, *moves))
    assert (first["kind"], last["kind"]) == ("opening balance", "closing balance")
    balance = micros_from_yuan(first["balance after (yuan)"])
    assert balance == opening
    for row, (amount, _, _) in zip(rows, moves, strict=True):
        assert micros_from_yuan(row["amount (yuan)"]) == amount
        balance += amount
        assert micros_from_yuan(row["balance after (yuan)"]) == balance
    assert micros_from_yuan(last["balance after (yuan)"]) == balance == opening + sum(move[0] for move in moves)


@given(st.lists(st.tuples(amounts, texts, texts), max_size=5))
def test_no_text_is_a_formula_and_none_is_lost(moves: list[tuple[int, str, str]]) -> None:
    for row, (_, request_id, model) in zip(lines(month(0, *moves))[1:-1], moves, strict=True):
        for shown, text in ((row["request id"], request_id), (row["model"], model)):
            assert shown == (f"'{text}" if text.startswith(DANGEROUS) else text)
            assert not shown.startswith(DANGEROUS)


def test_a_negative_amount_stays_a_number() -> None:
    assert lines(month(5, (-3, "r", "m")))[1]["amount (yuan)"] == "-0.000003"


def test_every_column_of_a_turn_is_there() -> None:
    text = sheet.written(month(1_000_000, (-3_195, "r1", "通义千问")))
    assert text.split("\r\n") == [
        "id,time,kind,amount (yuan),balance after (yuan),request id,model,input tokens,cached tokens,output tokens",
        ",2026-11-01T00:00:00.000+08:00,opening balance,,1.00,,,,,",
        "1,2026-11-01T00:00:01.000+08:00,turn,-0.003195,0.996805,r1,通义千问,10,4,1",
        ",2026-12-01T00:00:00.000+08:00,closing balance,,0.996805,,,,,",
        "",
    ]


def test_a_reversal_names_its_model_and_leaves_the_tokens_to_its_turn() -> None:
    statement = month(0, (7, "r1", "m"))
    statement.transactions[0].kind = billing_pb2.TRANSACTION_KIND_REVERSAL
    row = lines(statement)[1]
    assert (row["kind"], row["model"], row["input tokens"], row["output tokens"]) == ("reversal", "m", "", "")


def test_a_top_up_has_no_model_and_no_tokens() -> None:
    statement = month(0, (7, "r1", "m"))
    statement.transactions[0].kind = billing_pb2.TRANSACTION_KIND_TOPUP
    statement.transactions[0].ClearField("receipt")
    row = lines(statement)[1]
    assert (row["kind"], row["model"], row["cached tokens"]) == ("topup", "", "")


@given(st.integers(0, 4), st.sampled_from(["amount_micros", "balance_after_micros"]), st.sampled_from([-1, 1]))
def test_one_wrong_micro_yuan_anywhere_is_found(position: int, field: str, error: int) -> None:
    statement = month(100, *[(n, "r", "m") for n in range(5)])
    wrong = statement.transactions[position]
    setattr(wrong, field, getattr(wrong, field) + error)
    with pytest.raises(sheet.StatementError, match=f"does not add up: .* transaction {position + 1} should"):
        sheet.written(statement)


def test_a_missing_transaction_is_found() -> None:
    statement = month(100, *[(5, "r", "m") for _ in range(3)])
    with pytest.raises(sheet.StatementError, match=r"transaction 3 should be ¥0\.00011 and is ¥0\.000115"):
        sheet.written(sheet.Statement(START, END, 100, [statement.transactions[0], statement.transactions[2]]))
