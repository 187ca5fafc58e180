"""What commands write and read: exact numbers, words, aligned tables."""

import doctest
from decimal import Decimal

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from queqiao.billing.v1 import billing_pb2, payments_pb2

from services.billing.commands import texts
from services.billing.commands.texts import day, facts, percent, scaled, table, word, yuan, yuan_of_fen


def test_the_documented_examples_are_true() -> None:
    outcome = doctest.testmod(texts)
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


@given(st.integers(0, 10**15 - 1))
def test_a_number_is_read_exactly_to_its_last_place(micros: int) -> None:
    assert scaled(f"{Decimal(micros).scaleb(-6):f}", 6) == micros


@pytest.mark.parametrize(
    "text",
    ["", ".5", "5.", "-1", "+1", "1e3", "NaN", "Infinity", "１", "1_000", "1,000", " 1", "1\n", "0.0000001", "9" * 10],
)
def test_what_is_no_exact_number_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no number such as"):
        scaled(text, 6)


@pytest.mark.parametrize(("basis_points", "written"), [(0, "0%"), (2_000, "20%"), (1_250, "12.5%"), (5, "0.05%")])
def test_a_markup_is_written_without_needless_zeros(basis_points: int, written: str) -> None:
    assert percent(basis_points) == written
    assert scaled(written.removesuffix("%"), 2) == basis_points


def test_money_is_written_exactly_and_with_its_sign() -> None:
    assert [yuan(28), yuan(-1_500_000), yuan_of_fen(999), yuan_of_fen(-1)] == ["¥0.000028", "-¥1.50", "¥9.99", "-¥0.01"]


@pytest.mark.parametrize("text", ["", "2026-02-30", "20261101", "2026-W45-1", "2026-1-1", "２０２６-11-01"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no day"):
        day(text)


def test_an_enums_word_has_no_prefix_and_a_newer_value_is_its_number() -> None:
    assert word(billing_pb2.Transaction(kind=billing_pb2.TRANSACTION_KIND_TOPUP), "kind") == "topup"
    assert word(payments_pb2.Order(channel=payments_pb2.PAYMENT_CHANNEL_JSAPI_V2), "channel") == "jsapi_v2"
    newer = billing_pb2.Transaction.FromString(b"\x10\x63")
    assert word(newer, "kind") == "99"


def test_columns_are_aligned_when_a_cell_is_chinese() -> None:
    assert table(("model", ">turns"), [("通义千问", "3"), ("gpt-4o", "12")]).split("\n") == [
        "model     turns",
        "通义千问      3",
        "gpt-4o       12",
    ]


def test_text_from_elsewhere_cannot_steer_the_terminal() -> None:
    shown = table(("model",), [("\x1b[2Jgpt\r\n\u202e",)]) + facts(("model", "\x1b]0;title\x07"))
    assert shown.isprintable() is False
    assert [character for character in shown if not character.isprintable()] == ["\n"]
