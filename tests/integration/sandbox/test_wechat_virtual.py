"""The stand-in's virtual payment, from the phone, from the merchant's server, and where messages are pushed to."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from wechatpy.utils import check_signature

from tests.fakes.callbacks import Callbacks, Received, Reply
from tests.integration.sandbox.conftest import StandIn

ACCEPT = Reply(200, b'{"ErrCode":0,"ErrMsg":"success"}')


@pytest.fixture
async def callbacks(stand_in: StandIn) -> AsyncIterator[Callbacks]:
    """The server to which the platform pushes messages."""
    async with Callbacks(ACCEPT) as server:
        await stand_in.settings(message_push_url=server.url)
        yield server


@pytest.fixture
async def user(stand_in: StandIn) -> dict[str, Any]:
    """Somebody who is logged in: their openid and session_key."""
    env = stand_in.env
    query = f"appid={env['WECHAT_APPID']}&secret={env['WECHAT_SECRET']}&js_code=张三&grant_type=authorization_code"
    _, said = await stand_in.text("GET", f"/sns/jscode2session?{query}")
    known: dict[str, Any] = json.loads(said)
    return known


@pytest.fixture
async def token(stand_in: StandIn) -> str:
    """The merchant's access token."""
    env = stand_in.env
    account = {"appid": env["WECHAT_APPID"], "secret": env["WECHAT_SECRET"], "grant_type": "client_credential"}
    return str((await stand_in.json("POST", "/cgi-bin/stable_token", account))["access_token"])


def purchase(stand_in: StandIn, user: dict[str, Any], **other: object) -> dict[str, Any]:
    """What wx.requestVirtualPayment is given, signed as a merchant's server signs it."""
    wish = {"offerId": stand_in.env["VIRTUAL_PAYMENT_OFFER_ID"], "buyQuantity": 2, "env": 0, "currencyType": "CNY"}
    wish |= {"productId": "tokens-1000", "goodsPrice": 500, "outTradeNo": f"V{secrets.token_hex(8)}", "attach": "附"}
    sign_data = json.dumps(wish | other, ensure_ascii=False)
    return {
        "openid": user["openid"],
        "mode": "short_series_goods",
        "signData": sign_data,
        "paySig": sign(stand_in.env["VIRTUAL_PAYMENT_APP_KEY"], f"requestVirtualPayment&{sign_data}"),
        "signature": sign(user["session_key"], sign_data),
    }


def sign(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


async def buy(stand_in: StandIn, wish: dict[str, Any]) -> dict[str, Any]:
    return await stand_in.json("POST", "/sandbox/virtual-payment", wish)


async def xpay(stand_in: StandIn, token: str, name: str, **said: object) -> dict[str, Any]:
    """Call the platform as the merchant's server."""
    body = json.dumps({"env": 0} | said)
    pay_sig = sign(stand_in.env["VIRTUAL_PAYMENT_APP_KEY"], f"/xpay/{name}&{body}")
    path = f"/xpay/{name}?access_token={token}&pay_sig={pay_sig}"
    _, answer = await stand_in.text("POST", path, data=body.encode())
    known: dict[str, Any] = json.loads(answer)
    return known


def verified(stand_in: StandIn, received: Received) -> dict[str, Any]:
    """A pushed message, its signature verified by wechatpy."""
    query = received.query
    check_signature(stand_in.env["WECHAT_MESSAGE_TOKEN"], query["signature"], query["timestamp"], query["nonce"])
    said: dict[str, Any] = json.loads(received.body)
    return said


async def test_goods_are_bought_announced_and_delivered(
    stand_in: StandIn, callbacks: Callbacks, user: dict[str, Any], token: str
) -> None:
    callbacks.replies = [Reply(200, b'{"ErrCode":1}'), Reply(500)]
    wish = purchase(stand_in, user)
    number = json.loads(wish["signData"])["outTradeNo"]
    assert (await buy(stand_in, wish))["errMsg"] == "requestVirtualPayment:ok"
    first = verified(stand_in, await callbacks.next())
    assert (first["Event"], first["OpenId"], first["OutTradeNo"]) == (
        "xpay_goods_deliver_notify",
        user["openid"],
        number,
    )
    assert first["GoodsInfo"] == {
        "ProductId": "tokens-1000",
        "Quantity": 2,
        "OrigPrice": 500,
        "ActualPrice": 500,
        "Attach": "附",
    }
    assert [verified(stand_in, await callbacks.next()) for _ in range(2)] == [first, first]
    assert await callbacks.nothing_comes(within_s=0.2)

    order = (await xpay(stand_in, token, "query_order", openid=user["openid"], order_id=number))["order"]
    assert (order["status"], order["order_fee"], order["paid_fee"], order["left_fee"]) == (4, 1000, 1000, 1000)
    assert order["wx_order_id"] == first["WeChatPayInfo"]["TransactionId"]


async def test_goods_that_nobody_was_told_of_are_delivered_after_a_query(
    stand_in: StandIn, callbacks: Callbacks, user: dict[str, Any], token: str
) -> None:
    wish = purchase(stand_in, user)
    number = json.loads(wish["signData"])["outTradeNo"]
    await buy(stand_in, wish | {"how": "lost"})
    assert (await xpay(stand_in, token, "query_order", order_id=number))["order"]["status"] == 2
    assert (await xpay(stand_in, token, "notify_provide_goods", order_id=number))["errcode"] == 0
    assert (await xpay(stand_in, token, "query_order", order_id=number))["order"]["status"] == 4


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"paySig": "0" * 64}, -15006),
        ({"signature": "0" * 64}, -15005),
        ({"openid": "oSomebodyElse"}, -15005),
        ({"mode": "short_series_coin"}, -15001),
        ({"signData": "{}"}, -15001),
        ({"how": "signtest"}, -15001),
    ],
)
async def test_the_phone_refuses_what_is_not_signed_or_not_well_formed(
    stand_in: StandIn, callbacks: Callbacks, user: dict[str, Any], wrong: dict[str, Any], code: int
) -> None:
    answer = await buy(stand_in, purchase(stand_in, user) | wrong)
    assert answer["errCode"] == code
    assert answer["errMsg"].startswith("requestVirtualPayment:fail ")
    assert await callbacks.nothing_comes(within_s=0.1)


async def test_a_number_is_bought_once(stand_in: StandIn, callbacks: Callbacks, user: dict[str, Any]) -> None:
    wish = purchase(stand_in, user)
    assert [(await buy(stand_in, wish))["errCode"] for _ in range(2)] == [0, -15002]
    await callbacks.next()
    assert await callbacks.nothing_comes(within_s=0.1)


async def test_refunds_in_parts_are_pushed(
    stand_in: StandIn, callbacks: Callbacks, user: dict[str, Any], token: str
) -> None:
    wish = purchase(stand_in, user)
    number = json.loads(wish["signData"])["outTradeNo"]
    await buy(stand_in, wish)
    await callbacks.next()
    known = {"openid": user["openid"], "order_id": number, "refund_order_id": f"{number}-1", "left_fee": 1000}
    assert (await xpay(stand_in, token, "refund_order", **known, refund_fee=1001))["errcode"] == 268490006
    for _ in range(2):  # the same refund twice is one
        begun = await xpay(stand_in, token, "refund_order", **known, refund_fee=400)
        assert (begun["errcode"], begun["pay_order_id"]) == (0, number)
    said = verified(stand_in, await callbacks.next())
    assert (said["Event"], said["MchRefundId"], said["RefundFee"]) == ("xpay_refund_notify", f"{number}-1", 400)
    assert await callbacks.nothing_comes(within_s=0.1)
    order = (await xpay(stand_in, token, "query_order", order_id=number))["order"]
    assert (order["status"], order["refund_fee"], order["left_fee"]) == (5, 400, 600)
    again = known | {"refund_order_id": f"{number}-2", "refund_fee": 1}
    assert (await xpay(stand_in, token, "refund_order", **again))["errcode"] == 268490016


async def test_a_call_with_a_wrong_token_or_signature_is_refused(
    stand_in: StandIn, token: str, callbacks: Callbacks
) -> None:
    assert (await xpay(stand_in, "not-a-token", "query_order", order_id="V0000000"))["errcode"] == 40001
    _, said = await stand_in.text("POST", f"/xpay/query_order?access_token={token}&pay_sig=00", data=b"{}")
    assert json.loads(said)["errcode"] == 268490003
    assert (await xpay(stand_in, token, "query_order", order_id="V0000000"))["errcode"] == 268490002


@pytest.mark.parametrize("how", ["forged", "stale", "wrong_amount", "other_payer", "other_appid"])
async def test_messages_that_lie(stand_in: StandIn, callbacks: Callbacks, user: dict[str, Any], how: str) -> None:
    await buy(stand_in, purchase(stand_in, user) | {"how": "normal"})
    truth = verified(stand_in, await callbacks.next())
    await buy(stand_in, purchase(stand_in, user) | {"how": how})
    received = await callbacks.next()
    if how == "forged":
        with pytest.raises(Exception, match="Invalid signature"):
            verified(stand_in, received)
        return
    told = verified(stand_in, received)
    assert {
        "stale": time.time() - int(received.query["timestamp"]) >= 300,
        "wrong_amount": told["GoodsInfo"]["ActualPrice"] == truth["GoodsInfo"]["ActualPrice"] + 1,
        "other_payer": told["OpenId"] != truth["OpenId"],
        "other_appid": told["ToUserName"] != truth["ToUserName"],
    }[how]
