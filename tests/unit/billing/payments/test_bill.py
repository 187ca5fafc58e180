"""Trade bills: exact to the fen, whole, and the one that was offered."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.payments.domain import RefundProgress
from services.billing.payments.providers.bill import fen_of_yuan, parse, unpack
from services.billing.payments.providers.translation import MismatchError

APPID, MCHID = "wxd678efh567hg6787", "1900000109"

HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


@dataclass(frozen=True)
class Line:
    """A row, by the names it has on this page; amounts in fen."""

    number: str = "order-1"
    paid: int = 0
    refunded: int = 0
    fee: int = 0
    refund_number: str = "0"
    refund_status: str = ""
    goods: str = "一百万字"
    appid: str = APPID
    mchid: str = MCHID
    currency: str = "CNY"

    def write(self) -> str:
        """As the bill has it."""
        state = "REFUND" if self.refund_status else "SUCCESS"
        who = ["2026-11-23 12:00:00", self.appid, self.mchid, "0", "", "4200", self.number, "oUpF", "JSAPI", state]
        money = ["OTHERS", self.currency, yuan(self.paid), "0.00", "5030", self.refund_number, yuan(self.refunded)]
        refund = ["0.00", "ORIGINAL", self.refund_status, self.goods, "", f"{yuan(self.fee)}000", "0.60%"]
        values = [*who, *money, *refund, yuan(self.paid), yuan(self.refunded), ""]
        return ",".join(f"`{value}" for value in values)


def yuan(fen: int) -> str:
    """By Decimal, which the code under test does without."""
    return f"{Decimal(fen).scaleb(-2):.2f}"


def bill(lines: Sequence[Line], *, count: int | None = None, paid_more: int = 0) -> str:
    """A whole bill with its sums."""
    paid, refunded, fees = (sum(getattr(line, name) for line in lines) for name in ("paid", "refunded", "fee"))
    sums = [len(lines) if count is None else count, yuan(paid), yuan(refunded), "0.00", f"{yuan(fees)}000"]
    sums += [yuan(paid + paid_more), yuan(refunded)]
    rows = [HEADER, *(line.write() for line in lines), SUMMARY, ",".join(f"`{value}" for value in sums)]
    return "".join(f"{row}\r\n" for row in rows)


PAID = Line(paid=1000, fee=6)
REFUNDED = Line(refunded=300, fee=-2, refund_number="refund-1", refund_status="SUCCESS")


def read(text: str) -> list[tuple[str, int, str, RefundProgress | None, int]]:
    rows = parse(text, mchid=MCHID, appid=APPID)
    return [(row.out_trade_no, row.amount_fen, row.out_refund_no, row.refund_progress, row.fee_fen) for row in rows]


def test_payments_and_refunds_are_told_apart() -> None:
    assert read(bill([PAID, REFUNDED])) == [
        ("order-1", 1000, "", None, 6),
        ("order-1", 300, "refund-1", RefundProgress.DONE, -2),
    ]


def test_refunds_may_count_as_trades_or_not() -> None:
    assert read(bill([PAID, REFUNDED], count=1)) == read(bill([PAID, REFUNDED], count=2))


def test_a_comma_in_a_name_is_only_a_comma() -> None:
    assert read(bill([replace(PAID, goods="1,000,000 tokens, 一百万字")])) == read(bill([PAID]))


def test_rows_of_another_mini_program_are_counted_and_left_out() -> None:
    assert read(bill([PAID, replace(PAID, number="elsewhere", appid="wx0")])) == read(bill([PAID]))


def test_a_day_with_a_header_and_sums_of_nothing_is_empty() -> None:
    assert read(bill([])) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "summary"),
        ("<html>\n<body>\nnot found", "summary"),
        (bill([PAID]).rsplit("\r\n", 2)[0], "summary"),
        (bill([PAID]).replace("订单金额", "别的金额"), "columns"),
        (bill([PAID]).replace(",订单总金额", ",别的总金额"), "summary"),
        (bill([PAID], paid_more=1), "sum"),
        (bill([PAID], count=3), "count"),
        (bill([replace(PAID, mchid="1900000000")]), "mchid"),
        (bill([replace(PAID, currency="USD")]), "currency"),
        (bill([replace(REFUNDED, refund_status="PARTY")]), "state"),
        (bill([PAID]).replace("`oUpF,", ""), "row"),
        (bill([PAID]).replace("`0.06000", "`0.06100"), "amount"),
        (bill([PAID]).replace("`10.00", "`1e1"), "amount"),
    ],
)
def test_a_bill_that_is_not_whole_is_not_believed(text: str, problem: str) -> None:
    with pytest.raises(MismatchError, match=f"^{problem}$"):
        parse(text, mchid=MCHID, appid=APPID)


@pytest.mark.parametrize(
    ("text", "fen"),
    [("0.00", 0), ("0.01", 1), ("12.3", 1230), ("7", 700), ("-1.50", -150), ("-1.50000", -150), ("-0.01", -1)],
)
def test_yuan_are_fen(text: str, fen: int) -> None:
    assert fen_of_yuan(text) == fen


@pytest.mark.parametrize("text", ["", "-", "1.", ".5", "0.001", "1,000.00", "+1.00", " 1.00", "1.00\n", "１.00", "NaN"])
def test_what_is_no_whole_number_of_fen_is_no_amount(text: str) -> None:
    with pytest.raises(MismatchError):
        fen_of_yuan(text)


@given(st.integers(-(10**14), 10**14), st.integers(0, 5))
def test_every_amount_survives_exactly(fen: int, zeros: int) -> None:
    assert fen_of_yuan(yuan(fen) + "0" * zeros) == fen


names = st.text(st.characters(exclude_characters="`\r\n", exclude_categories=["Cs"]))
lines = st.builds(
    Line,
    number=st.from_regex(r"[0-9A-Za-z_|*-]{6,32}", fullmatch=True),
    paid=st.integers(0, 10**10),
    fee=st.integers(0, 10**6),
    goods=names,
)


@given(st.lists(lines, max_size=5))
def test_every_bill_is_read_as_it_was_written(written: list[Line]) -> None:
    assert read(bill(written)) == [(line.number, line.paid, "", None, line.fee) for line in written]


def sha1_of(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()  # noqa: S324  # the protocol's own choice


def test_a_download_is_unpacked_and_proved() -> None:
    plain = bill([PAID]).encode("utf-8-sig")
    digest = sha1_of(plain)
    assert unpack(gzip.compress(plain), digest.upper()) == unpack(plain, digest) == bill([PAID])
    for content, sha1, problem in (
        (gzip.compress(plain), "0" * 40, "hash"),
        (gzip.compress(plain)[:-9], digest, "gzip"),
        (gzip.compress(plain + b"x"), digest, "hash"),
        (b"\xff\xff", sha1_of(b"\xff\xff"), "encoding"),
        (plain, "密", "hash"),
    ):
        with pytest.raises(MismatchError, match=f"^{problem}$"):
            unpack(content, sha1)
