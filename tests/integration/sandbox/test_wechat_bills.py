"""The stand-in's trade bills, as a merchant downloads them."""

import csv
import gzip
import hashlib
import io
import json
from datetime import datetime

from wechatpayv3.async_ import AsyncWeChatPay

from sandbox.wechat.orders import BEIJING
from tests.fakes.callbacks import Callbacks
from tests.integration.sandbox.conftest import StandIn, place, refund


async def test_a_bill_has_every_payment_and_refund_in_yuan(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks, 12345)
    paid = await stand_in.pay(number)
    _, back = await refund(merchant, number, 45, 12345)

    rows, summary = await bill(merchant, tar_type="GZIP")
    mine = [row for row in rows if row["商户订单号"] == number]
    assert [(row["交易状态"], row["订单金额"], row["申请退款金额"]) for row in mine] == [
        ("SUCCESS", "123.45", "0.00"),
        ("REFUND", "0.00", "0.45"),
    ]
    assert {row["微信订单号"] for row in mine} == {paid["transaction_id"]}
    assert (mine[0]["手续费"], mine[0]["费率"], mine[0]["商户退款单号"]) == ("0.74000", "0.60%", "0")
    assert (mine[1]["商户退款单号"], mine[1]["退款状态"]) == (back["out_refund_no"], "SUCCESS")
    assert summary["总交易单数"] == str(len(rows))
    assert fen(summary["订单总金额"]) == sum(fen(row["订单金额"]) for row in rows)

    for kind, states in (("SUCCESS", {"SUCCESS"}), ("REFUND", {"REFUND"})):
        rows, _ = await bill(merchant, bill_type=kind)
        assert {row["交易状态"] for row in rows} == states


async def test_a_day_without_trade_has_no_bill(merchant: AsyncWeChatPay) -> None:
    status, said = await merchant.trade_bill("2020-01-01")
    assert (status, json.loads(said)["code"]) == (400, "NO_STATEMENT_EXIST")
    status, said = await merchant.trade_bill("yesterday")
    assert (status, json.loads(said)["code"]) == (400, "PARAM_ERROR")


async def test_bills_that_are_wrong_on_demand(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    for _ in range(2):
        await stand_in.pay(await place(merchant, callbacks))
    whole, _ = await bill(merchant)
    await stand_in.settings(bill_fault="missing_row")
    assert (await bill(merchant))[0] == whole[1:]
    await stand_in.settings(bill_fault="foreign_row")
    assert len((await bill(merchant))[0]) == len(whole) + 1
    await stand_in.settings(bill_fault="other_amount")
    assert fen((await bill(merchant))[0][0]["订单金额"]) == fen(whole[0]["订单金额"]) + 1


async def bill(merchant: AsyncWeChatPay, **wish: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Today's bill: its rows and its summary, parsed; the hash is checked."""
    known = {"bill_date": f"{datetime.now(BEIJING):%Y-%m-%d}", "bill_type": "ALL", "tar_type": ""} | wish
    path = f"/v3/bill/tradebill?bill_date={known['bill_date']}&bill_type={known['bill_type']}"
    status, said = await merchant._core.request(f"{path}&tar_type={known['tar_type']}" if wish else path)
    assert status == 200, said
    offer = json.loads(said)
    status, content = await merchant.download_bill(offer["download_url"])
    assert status == 200
    plain = gzip.decompress(content) if known["tar_type"] == "GZIP" else content
    assert (offer["hash_type"], offer["hash_value"]) == ("SHA1", hashlib.sha1(plain).hexdigest())  # noqa: S324
    lines = list(csv.reader(io.StringIO(plain.decode("utf-8-sig"))))
    bare = [[field.removeprefix("`") for field in line] for line in lines]
    assert all(field.startswith("`") for line in (*lines[1:-2], lines[-1]) for field in line)
    rows = [dict(zip(bare[0], line, strict=True)) for line in bare[1:-2]]
    return rows, dict(zip(bare[-2], bare[-1], strict=True))


def fen(yuan: str) -> int:
    return int(yuan.replace(".", ""))
