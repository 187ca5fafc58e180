"""The stand-in's APIv3, as wechatpayv3's own signing code sees it."""

import json
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType

from sandbox.wechat.orders import BEIJING
from tests.fakes.callbacks import Callbacks
from tests.integration.sandbox.conftest import OPENID, StandIn, place, refund, sdk, verified


@pytest.mark.parametrize("public_key", [True, False])
async def test_an_order_is_paid_and_announced_in_both_modes(
    stand_in: StandIn, callbacks: Callbacks, *, public_key: bool
) -> None:
    async with sdk(stand_in.env, public_key=public_key) as client:
        number = await place(client, callbacks)
        assert json.loads((await client.query(out_trade_no=number))[1])["trade_state"] == "NOTPAY"
        paid = await stand_in.pay(number)
        received = await callbacks.next()
        event = verified(client, received)
        queries = [
            json.loads((await client.query(**question))[1])
            for question in ({"out_trade_no": number}, {"transaction_id": paid["transaction_id"]})
        ]
    assert received.headers["Wechatpay-Serial"].startswith("PUB_KEY_ID_") == public_key
    assert (event["event_type"], event["resource_type"]) == ("TRANSACTION.SUCCESS", "encrypt-resource")
    said = event["resource"]
    assert (said["appid"], said["mchid"]) == (stand_in.env["WECHAT_APPID"], stand_in.env["WECHATPAY_MCHID"])
    assert (said["out_trade_no"], said["transaction_id"]) == (number, paid["transaction_id"])
    assert (said["trade_state"], said["trade_type"], said["attach"]) == ("SUCCESS", "JSAPI", "附加")
    assert said["payer"] == {"openid": OPENID}
    assert said["amount"] == {"total": 1000, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"}
    assert datetime.fromisoformat(said["success_time"]).utcoffset() == timedelta(hours=8)
    assert queries == [said, said]


async def test_a_native_order_has_a_code_and_is_paid_by_whoever_scans_it(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = f"T{secrets.token_hex(10)}"
    status, said = await merchant.pay(
        "词元", number, {"total": 1}, notify_url=callbacks.url, pay_type=WeChatPayType.NATIVE
    )
    assert status == 200
    assert json.loads(said)["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    await stand_in.pay(number, openid="oScanner")
    assert verified(merchant, await callbacks.next())["resource"]["payer"]["openid"] == "oScanner"


async def test_a_jsapi_order_is_not_paid_by_another(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks)
    assert "openid" in (await stand_in.pay(number, openid="oSomebody"))["error"]


async def test_the_same_order_again_has_a_fresh_prepay_id_and_another_is_refused(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    order: dict[str, Any] = {"description": "词元", "out_trade_no": f"T{secrets.token_hex(10)}"}
    order |= {"amount": {"total": 5}, "payer": {"openid": OPENID}, "notify_url": callbacks.url}
    first, again = [json.loads((await merchant.pay(**order))[1])["prepay_id"] for _ in range(2)]
    assert first != again
    status, said = await merchant.pay(**(order | {"amount": {"total": 6}}))
    assert (status, json.loads(said)["code"]) == (403, "OUT_TRADE_NO_USED")
    await stand_in.pay(order["out_trade_no"])
    status, said = await merchant.pay(**order)
    assert (status, json.loads(said)["code"]) == (400, "ORDER_PAID")


async def test_a_closed_order_cannot_be_paid_and_closing_twice_is_fine(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks)
    assert [(await merchant.close(number))[0] for _ in range(2)] == [204, 204]
    assert json.loads((await merchant.query(out_trade_no=number))[1])["trade_state"] == "CLOSED"
    assert "关闭" in (await stand_in.pay(number))["error"]


async def test_a_paid_order_cannot_be_closed(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks)
    await stand_in.pay(number)
    status, said = await merchant.close(number)
    assert (status, json.loads(said)["code"]) == (400, "ORDER_PAID")


async def test_an_order_whose_time_is_over_is_closed(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    soon = (datetime.now(BEIJING) + timedelta(seconds=1)).isoformat()
    number = await place(merchant, callbacks, time_expire=soon)
    await callbacks.nothing_comes(within_s=1.1)
    assert "关闭" in (await stand_in.pay(number))["error"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"out_trade_no": "short"}, "PARAM_ERROR"),
        ({"out_trade_no": "有汉字的订单号"}, "PARAM_ERROR"),
        ({"amount": {"total": 0}}, "PARAM_ERROR"),
        ({"amount": {"total": "1000"}}, "PARAM_ERROR"),
        ({"amount": {"total": 1.5}}, "PARAM_ERROR"),
        ({"amount": {"total": 1, "currency": "USD"}}, "PARAM_ERROR"),
        ({"description": "长" * 128}, "PARAM_ERROR"),
        ({"payer": {"openid": ""}}, "PARAM_ERROR"),
        ({"notify_url": "http://example.com/notify"}, "PARAM_ERROR"),
        ({"notify_url": "https://example.com/notify?a=1"}, "PARAM_ERROR"),
        ({"time_expire": "2018-06-08T10:34:56+08:00"}, "PARAM_ERROR"),
        ({"time_expire": "tomorrow"}, "PARAM_ERROR"),
        ({"appid": "wxsomeoneelse"}, "APPID_MCHID_NOT_MATCH"),
    ],
)
async def test_a_malformed_order_is_refused(
    merchant: AsyncWeChatPay, callbacks: Callbacks, wrong: dict[str, Any], code: str
) -> None:
    order: dict[str, Any] = {"description": "词元", "out_trade_no": f"T{secrets.token_hex(10)}", "amount": {"total": 1}}
    order |= {"payer": {"openid": OPENID}, "notify_url": callbacks.url}
    status, said = await merchant.pay(**(order | wrong))
    assert (status, json.loads(said)["code"]) == (400, code)


async def test_a_request_that_the_merchant_did_not_sign_is_refused(stand_in: StandIn, callbacks: Callbacks) -> None:
    # The platform's private key is not the merchant's.
    stranger = (Path(stand_in.env["WECHATPAY_PRIVATE_KEY_FILE"]).parent / "platform_key.pem").read_text()
    for wrong in ({"private_key": stranger}, {"mchid": "1900000001"}, {"cert_serial_no": "00FF"}):
        async with sdk(stand_in.env, other=wrong) as client:
            status, said = await client.query(out_trade_no="T000001")
        assert (status, json.loads(said)["code"]) == (401, "SIGN_ERROR")


async def test_an_altered_request_is_refused(stand_in: StandIn, merchant: AsyncWeChatPay) -> None:
    async def altered(request: httpx.Request) -> None:
        request.url = request.url.copy_with(path=request.url.path + "0")

    merchant._core._client.event_hooks = {"request": [altered]}
    status, said = await merchant.query(out_trade_no="T000001")
    assert (status, json.loads(said)["code"]) == (401, "SIGN_ERROR")


async def test_an_unknown_order_does_not_exist(merchant: AsyncWeChatPay) -> None:
    for question in ({"out_trade_no": "T000001"}, {"transaction_id": "42000"}):
        status, said = await merchant.query(**question)
        assert (status, json.loads(said)["code"]) == (404, "ORDER_NOT_EXIST")
    status, said = await merchant.query_refund("R1")
    assert (status, json.loads(said)["code"]) == (404, "RESOURCE_NOT_EXISTS")


async def test_refunds_go_back_in_parts_and_never_more_than_was_paid(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks)
    status, said = await refund(merchant, number, 1)
    assert (status, said["code"]) == (400, "INVALID_REQUEST")
    paid = await stand_in.pay(number)
    await callbacks.next()

    status, first = await refund(merchant, number, 400, notify_url=callbacks.url, out_refund_no=f"{number}-1")
    assert (status, first["status"], first["amount"]["refund"]) == (200, "SUCCESS", 400)
    event = verified(merchant, await callbacks.next())
    assert event["event_type"] == "REFUND.SUCCESS"
    assert (event["resource"]["refund_status"], event["resource"]["refund_id"]) == ("SUCCESS", first["refund_id"])
    assert event["resource"]["amount"] == {"total": 1000, "refund": 400, "payer_total": 1000, "payer_refund": 400}

    status, again = await refund(merchant, number, 400, out_refund_no=f"{number}-1")
    assert (status, again) == (200, first)
    assert json.loads((await merchant.query_refund(f"{number}-1"))[1]) == first
    assert await callbacks.nothing_comes(within_s=0.1)

    assert (await refund(merchant, number, 601))[1]["code"] == "NOT_ENOUGH"
    assert (await refund(merchant, number, 1, total_fen=999))[1]["code"] == "INVALID_REQUEST"
    assert (await refund(merchant, number, 500, out_refund_no=f"{number}-1"))[1]["code"] == "INVALID_REQUEST"
    by_transaction = {"out_trade_no": None, "transaction_id": paid["transaction_id"]}
    assert (await refund(merchant, number, 600, **by_transaction))[0] == 200
    assert json.loads((await merchant.query(out_trade_no=number))[1])["trade_state"] == "REFUND"


@pytest.mark.parametrize(("end", "left_fen"), [("success", 0), ("abnormal", 0), ("closed", 1000)])
async def test_a_refund_that_takes_its_time(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks, end: str, left_fen: int
) -> None:
    await stand_in.settings(refund_ends=end)
    number = await place(merchant, callbacks)
    await stand_in.pay(number)
    await callbacks.next()
    _, begun = await refund(merchant, number, 1000, notify_url=callbacks.url)
    assert begun["status"] == "PROCESSING"
    event = verified(merchant, await callbacks.next())
    assert event["event_type"] == f"REFUND.{end.upper()}"
    assert json.loads((await merchant.query_refund(begun["out_refund_no"]))[1])["status"] == end.upper()
    again, _ = await refund(merchant, number, 1000)
    assert again == (200 if left_fen else 403)
