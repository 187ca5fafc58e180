"""The stand-in's v2 API, as wechatpy's own signing code sees it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest
import xmltodict
from wechatpy.exceptions import InvalidSignatureException, WeChatPayException
from wechatpy.pay import WeChatPay
from wechatpy.pay.utils import calculate_signature_hmac

from sandbox.wechat.orders import BEIJING
from sandbox.wechat.v2_messages import sign
from tests.fakes.callbacks import Callbacks, Reply
from tests.integration.sandbox.conftest import StandIn

OPENID = "oUser000000000000000000000002"
ACCEPT = Reply(200, b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>")


@pytest.fixture
def merchant(stand_in: StandIn) -> WeChatPay:
    """wechatpy, pointed at the stand-in."""
    env = stand_in.env

    class Client(WeChatPay):  # type: ignore[misc]  # the library publishes no types
        API_BASE_URL = f"{env['WECHATPAY_BASE_URL']}/"

    return Client(env["WECHAT_APPID"], env["WECHATPAY_V2_KEY"], env["WECHATPAY_MCHID"], timeout=5)


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    """A merchant's server that pleases v2."""
    async with Callbacks(ACCEPT) as server:
        yield server


async def call(function: Callable[..., Any], *arguments: object, **more: object) -> Any:
    """Call the synchronous library off the event loop."""
    return await asyncio.to_thread(function, *arguments, **more)


async def place(merchant: WeChatPay, callbacks: Callbacks, **more: object) -> str:
    """Place an order of 1000 fen; answers its out_trade_no."""
    known = {"trade_type": "JSAPI", "body": "1000 个词元", "total_fee": 1000, "notify_url": callbacks.url}
    known |= {
        "client_ip": "127.0.0.1",
        "user_id": OPENID,
        "attach": "附加",
        "out_trade_no": f"T{secrets.token_hex(10)}",
    }
    answer = await call(merchant.order.create, **(known | more))
    assert merchant.check_signature(answer)
    assert len(answer["prepay_id"]) == 36
    return str((known | more)["out_trade_no"])


def test_the_official_vector() -> None:
    said = {
        "appId": "wxd678efh567hg6787",
        "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
        "package": "prepay_id=wx2017033010242291fcfe0db70013231072",
        "signType": "MD5",
        "timeStamp": "1490840662",
    }
    assert sign(said, "qazwsxedcrfvtgbyhnujmikolp111111") == "22D9B4E54AB1950F51E0649E8810ACD6"


async def test_an_order_is_paid_announced_and_queried(
    stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks)
    assert (await call(merchant.order.query, out_trade_no=number))["trade_state"] == "NOTPAY"
    paid = await stand_in.pay(number)
    said = merchant.parse_payment_result((await callbacks.next()).body)
    assert (said["out_trade_no"], said["transaction_id"]) == (number, paid["transaction_id"])
    assert (said["openid"], said["total_fee"], said["attach"]) == (OPENID, 1000, "附加")
    assert datetime.strptime(said["time_end"], "%Y%m%d%H%M%S").year >= 2025  # noqa: DTZ007  # a format is checked
    assert await callbacks.nothing_comes(within_s=0.2)
    asked = await call(merchant.order.query, transaction_id=paid["transaction_id"])
    assert merchant.check_signature(asked)
    assert (asked["trade_state"], asked["out_trade_no"]) == ("SUCCESS", number)


async def test_a_callback_is_repeated_until_the_xml_says_success(
    stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks
) -> None:
    callbacks.replies = [Reply(200, b""), Reply(200, b"<xml><return_code>FAIL</return_code></xml>")]
    await stand_in.pay(await place(merchant, callbacks))
    said = [merchant.parse_payment_result((await callbacks.next()).body) for _ in range(3)]
    assert len({item["transaction_id"] for item in said}) == 1
    assert await callbacks.nothing_comes(within_s=0.3)


async def test_hmac_is_answered_and_announced_with_hmac(
    stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks
) -> None:
    number = f"T{secrets.token_hex(10)}"
    known = {"trade_type": "JSAPI", "body": "词元", "total_fee": 1, "notify_url": callbacks.url, "user_id": OPENID}
    answer = await call(
        merchant.order.create, client_ip="127.0.0.1", out_trade_no=number, sign_type="HMAC-SHA256", **known
    )
    await stand_in.pay(number)
    announced = xmltodict.parse((await callbacks.next()).body)["xml"]
    for said in (answer, announced):
        signature = said.pop("sign")
        assert said["sign_type"] == "HMAC-SHA256"
        assert signature == calculate_signature_hmac(said, merchant.api_key)


async def test_refusals(stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks)
    assert await refusal(place, merchant, callbacks, out_trade_no=number, total_fee=7) == "OUT_TRADE_NO_USED"
    assert await refusal(call, merchant.order.query, out_trade_no="T0") == "ORDERNOTEXIST"
    assert await refusal(place, merchant, callbacks, user_id=None) == "PARAM_ERROR"
    assert await refusal(place, merchant, callbacks, body="") == "LACK_PARAMS"
    assert await refusal(call, merchant.refund.apply, 1000, 1, "R1", out_trade_no=number) == "TRADE_STATE_ERROR"
    await stand_in.pay(number)
    assert await refusal(call, merchant.order.close, number) == "ORDERPAID"
    closed = await place(merchant, callbacks)
    assert (await call(merchant.order.close, closed))["result_code"] == "SUCCESS"
    assert await refusal(place, merchant, callbacks, out_trade_no=closed) == "ORDERCLOSED"


async def refusal(function: Callable[..., Any], *arguments: object, **more: object) -> str:
    with pytest.raises(WeChatPayException) as refused:
        await function(*arguments, **more)
    return str(refused.value.errcode)


async def test_a_request_signed_with_another_key_is_refused(
    stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks
) -> None:
    merchant.api_key = "not the key"
    with pytest.raises(WeChatPayException) as refused:
        await place(merchant, callbacks)
    assert refused.value.return_code == "FAIL"
    assert refused.value.errmsg is None


@pytest.mark.parametrize(("body", "problem"), [("", "POST_DATA_EMPTY"), ("<xml>", "XML_FORMAT_ERROR")])
async def test_a_body_that_is_no_xml_is_refused(stand_in: StandIn, body: str, problem: str) -> None:
    _, said = await stand_in.text("POST", "/pay/unifiedorder", data=body)
    assert xmltodict.parse(said)["xml"]["return_msg"] == problem


async def test_a_refund_is_announced_encrypted(stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks)
    await stand_in.pay(number)
    await callbacks.next()
    more = {"out_trade_no": number, "notify_url": callbacks.url}
    begun = await call(merchant.refund.apply, 1000, 300, f"{number}-1", **more)
    said = merchant.parse_refund_notify_result((await callbacks.next()).body)
    assert (said["out_refund_no"], said["refund_id"]) == (f"{number}-1", begun["refund_id"])
    assert (said["refund_fee"], said["total_fee"], said["refund_status"]) == (300, 1000, "SUCCESS")
    asked = await call(merchant.refund.query, out_refund_no=f"{number}-1")
    assert (asked["refund_count"], asked["refund_fee_0"], asked["refund_status_0"]) == ("1", "300", "SUCCESS")
    assert await refusal(call, merchant.refund.apply, 1000, 701, f"{number}-2", **more) == "NOTENOUGH"


async def test_lies_and_forgeries(stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks) -> None:
    lies = {"wrong_amount": "total_fee", "other_payer": "openid", "other_merchant": "mch_id", "other_appid": "appid"}
    for how, field in lies.items():
        number = await place(merchant, callbacks)
        await stand_in.pay(number, how)
        said = merchant.parse_payment_result((await callbacks.next()).body)
        truth = await call(merchant.order.query, out_trade_no=number)
        assert str(said[field]) != truth[field]
    await stand_in.pay(await place(merchant, callbacks), "forged")
    with pytest.raises(InvalidSignatureException):
        merchant.parse_payment_result((await callbacks.next()).body)
    answer = await stand_in.pay(await place(merchant, callbacks), "wrong_key")
    assert "wrong_key" in answer["error"]


async def test_a_bill_is_downloaded_as_text(stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks)
    await stand_in.pay(number)
    text = await call(merchant.tools.download_bill, datetime.now(BEIJING).date())
    lines = text.removeprefix("\ufeff").splitlines()
    assert lines[0].startswith("交易时间,公众账号ID,商户号")
    assert any(f"`{number}," in line and "`10.00," in line for line in lines[1:])
    with pytest.raises(WeChatPayException) as refused:
        await call(merchant.tools.download_bill, "20200101")
    assert refused.value.errmsg is None
    assert "No Bill Exist" in str(refused.value)


@pytest.mark.parametrize("fault", ["unsigned", "wrongly_signed"])
async def test_an_answer_that_the_platform_did_not_sign(
    stand_in: StandIn, merchant: WeChatPay, callbacks: Callbacks, fault: str
) -> None:
    number = await place(merchant, callbacks)
    await stand_in.settings(api_faults=[fault])
    assert not merchant.check_signature(await call(merchant.order.query, out_trade_no=number))
