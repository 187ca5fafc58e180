"""WeChat Pay's daily trade bill: unpacked, verified, and read exactly. Pure.

The bill is a CSV of its own kind: a header, rows whose every field follows a backtick, a second header and one row of
sums; amounts are in yuan. Source: WeChat Pay's document of the trade bill.
"""

import gzip
import hashlib
import hmac
import re
import zlib
from collections.abc import Mapping, Sequence

from services.billing.payments.domain import BillRow
from services.billing.payments.providers.translation import REFUND_STATES, MismatchError, meaning

_GZIP = b"\x1f\x8b"

_COLUMNS = (
    "公众账号ID",
    "商户号",
    "微信订单号",
    "商户订单号",
    "交易状态",
    "货币种类",
    "微信退款单号",
    "商户退款单号",
    "退款状态",
    "手续费",
    "订单金额",
    "申请退款金额",
)
_COUNT = "总交易单数"
# Which column each sum adds up.
_SUMS = {"手续费总金额": "手续费", "订单总金额": "订单金额", "申请退款总金额": "申请退款金额"}

Fields = Mapping[str, str]


def unpack(content: bytes, sha1: str) -> str:
    """A downloaded bill, unzipped if need be, and proved to be the one that was offered.

    Args:
        content: What was downloaded.
        sha1: The offer's `hash_value`, in hex: of the unzipped file.

    Raises:
        MismatchError: It is damaged, or another file.
    """
    try:
        plain = gzip.decompress(content) if content.startswith(_GZIP) else content
    except (OSError, EOFError, zlib.error):
        raise MismatchError("gzip") from None
    digest = hashlib.sha1(plain).hexdigest()  # noqa: S324  # the protocol's own choice
    if not hmac.compare_digest(digest.encode(), sha1.lower().encode()):
        raise MismatchError("hash")
    return decode(plain)


def decode(plain: bytes) -> str:
    """A bill's text, with or without a byte order mark.

    Raises:
        MismatchError: It is not UTF-8.
    """
    try:
        return plain.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MismatchError("encoding") from None


def parse(text: str, *, mchid: str, appid: str) -> tuple[BillRow, ...]:
    """Every payment and refund of one mini-program, after the sums of the whole bill were checked.

    Args:
        text: The bill.
        mchid: Whose bill it must be.
        appid: A merchant can sell in several mini-programs; only rows of this one are answered.

    Raises:
        MismatchError: The bill is not whole, not the merchant's, or does not add up.
    """
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    if len(lines) < 3 or lines[-1][0] != "`" or lines[-2][0] == "`":
        raise MismatchError("summary")
    header, sums = lines[0].split(","), _fields(lines[-2].split(","), lines[-1])
    if not set(_COLUMNS) <= set(header):
        raise MismatchError("columns")
    rows = [_fields(header, line) for line in lines[1:-2]]
    _check_sums(rows, sums)
    if any(row["商户号"] != mchid for row in rows):
        raise MismatchError("mchid")
    return tuple(_row(row) for row in rows if row["公众账号ID"] == appid)


def fen_of_yuan(yuan: str) -> int:
    """Yuan as the bill writes them, in fen: `-1.50` and `-1.50000` are -150.

    Raises:
        MismatchError: It is no amount, or not a whole number of fen.
    """
    found = re.fullmatch(r"(-?)([0-9]{1,13})(?:\.([0-9]{1,2})(0*))?", yuan)
    if found is None:
        raise MismatchError("amount")
    sign, whole, cents = found[1], found[2], (found[3] or "").ljust(2, "0")
    return int(f"{sign}{whole}{cents}")


def _fields(header: Sequence[str], line: str) -> Fields:
    """Fields are told apart by a comma and a backtick, so a comma in a product's name is only a comma."""
    values = line.removeprefix("`").split(",`")
    if not line.startswith("`") or len(values) != len(header):
        raise MismatchError("row")
    return {name: value.strip() for name, value in zip(header, values, strict=True)}


def _check_sums(rows: Sequence[Fields], sums: Fields) -> None:
    if not {_COUNT, *_SUMS} <= sums.keys():
        raise MismatchError("summary")
    # The documents do not say whether a refund counts as a trade.
    payments = sum(row["交易状态"] == "SUCCESS" for row in rows)
    if sums[_COUNT] not in (str(len(rows)), str(payments)):
        raise MismatchError("count")
    for total, column in _SUMS.items():
        if fen_of_yuan(sums[total]) != sum(fen_of_yuan(row[column]) for row in rows):
            raise MismatchError("sum")


def _row(row: Fields) -> BillRow:
    if row["货币种类"] != "CNY":
        raise MismatchError("currency")
    # What was ordered and what was asked back: before coupons, as in orders and refunds of ours.
    if row["交易状态"] == "SUCCESS":
        return BillRow(
            out_trade_no=row["商户订单号"],
            transaction_id=row["微信订单号"],
            amount_fen=fen_of_yuan(row["订单金额"]),
            fee_fen=fen_of_yuan(row["手续费"]),
        )
    return BillRow(
        out_trade_no=row["商户订单号"],
        transaction_id=row["微信订单号"],
        amount_fen=fen_of_yuan(row["申请退款金额"]),
        out_refund_no=row["商户退款单号"],
        refund_id=row["微信退款单号"],
        refund_progress=meaning(REFUND_STATES, row["退款状态"]),
        fee_fen=fen_of_yuan(row["手续费"]),
    )
