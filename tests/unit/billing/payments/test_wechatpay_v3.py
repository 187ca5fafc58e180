"""WeChat Pay APIv3: what is asked, and what an answer means."""

import base64
import json
from datetime import datetime

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from services.billing.payments.domain import Channel, Payer, TradeState
from services.billing.payments.errors import (
    ChannelUnavailableError,
    PaymentRefusedError,
    PaymentUnavailableError,
)
from services.billing.payments.providers.wechatpay_v3 import WeChatPayV3
from services.runtime.errors import StartupError
from tests.fakes.payment_platform import (
    APIV3_KEY,
    APPID,
    NOW,
    Answers,
    WeChatPayPlatform,
    a_transaction,
)
from tests.fakes.payment_stand_in import a_refund, an_order


async def test_a_client_gets_parameters_that_wechat_can_verify(
    platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3
) -> None:
    order = an_order(Channel.JSAPI)
    answers.next = lambda _: platform.answer(200, {"prepay_id": "wx201"})
    parameters = await wechatpay.prepay(order, NOW)
    said = json.loads(answers.requests[0].content)
    assert said["amount"] == {"total": 1000, "currency": "CNY"}
    assert said["payer"] == {"openid": order.payer.openid}
    assert said["scene_info"] == {"payer_client_ip": order.payer.client_ip}
    assert datetime.fromisoformat(said["time_expire"]) == order.expires_at
    assert said["time_expire"].endswith("+08:00")
    assert "attach" not in said

    assert (parameters["appId"], parameters["signType"]) == (APPID, "RSA")
    assert parameters["package"] == "prepay_id=wx201"
    signed = "".join(f"{parameters[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package"))
    signature = base64.b64decode(parameters["paySign"])
    platform.merchant_key.public_key().verify(signature, signed.encode(), PKCS1v15(), SHA256())


async def test_a_payer_without_an_openid_needs_another_way(wechatpay: WeChatPayV3) -> None:
    with pytest.raises(ChannelUnavailableError):
        await wechatpay.prepay(an_order(Channel.JSAPI, payer=Payer()), NOW)
    with pytest.raises(ChannelUnavailableError):
        await wechatpay.prepay(an_order(Channel.VIRTUAL), NOW)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (500, "SYSTEM_ERROR", PaymentUnavailableError),
        (500, "BANK_ERROR", PaymentUnavailableError),
        (429, "FREQUENCY_LIMITED", PaymentUnavailableError),
        (502, "", PaymentUnavailableError),
        (500, "OPENID_MISMATCH", PaymentRefusedError),
        (403, "NO_AUTH", PaymentRefusedError),
        (401, "SIGN_ERROR", PaymentRefusedError),
        (400, "PARAM_ERROR", PaymentRefusedError),
    ],
)
async def test_what_an_error_means(
    platform: WeChatPayPlatform,
    answers: Answers,
    wechatpay: WeChatPayV3,
    status: int,
    code: str,
    error: type[PaymentRefusedError | PaymentUnavailableError],
) -> None:
    answers.next = lambda _: platform.answer(status, {"code": code, "message": "秘密"}, signed=False)
    with pytest.raises(error) as raised:
        await wechatpay.query(an_order(Channel.JSAPI))
    assert "秘密" not in str(raised.value)
    assert raised.value.metadata.get("provider_code", code) == code


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null"])
async def test_a_gateway_in_between_is_unavailable(answers: Answers, wechatpay: WeChatPayV3, body: bytes) -> None:
    answers.next = lambda _: httpx.Response(403, content=body)
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.query(an_order(Channel.JSAPI))


async def test_an_answer_about_another_order_is_not_believed(
    platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3
) -> None:
    order = an_order(Channel.JSAPI)
    ours = {"out_trade_no": order.out_trade_no}
    others = [
        platform.answer(200, a_transaction(**ours | changes))
        for changes in ({"out_trade_no": "another"}, {"appid": "wx0"}, {"mchid": "1900000000"})
    ]
    answers.next = lambda _: others.pop()
    for _ in range(3):
        with pytest.raises(PaymentUnavailableError):
            await wechatpay.query(order)
    answers.next = lambda _: platform.answer(200, a_transaction(out_trade_no=order.out_trade_no))
    assert (await wechatpay.query(order)).state is TradeState.PAID


async def test_a_refund_of_another_amount_is_not_believed(
    platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3
) -> None:
    order = an_order(Channel.JSAPI)
    refund = a_refund(order, 300)
    document = {
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": order.out_trade_no,
        "refund_id": "5030",
        "status": "SUCCESS",
        "amount": {"refund": 301},
    }
    answers.next = lambda _: platform.answer(200, document)
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.refund(order, refund)


async def test_a_bill_from_another_host_is_not_fetched(
    platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3
) -> None:
    offer = {"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": "https://evil.example/v3/billdownload"}
    answers.next = lambda _: platform.answer(200, offer)
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.bill(NOW.date())
    assert len(answers.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key": ""},
        {"public_key_id": ""},
        {"apiv3_key": "too short"},
        {"private_key": "no key"},
        {"public_key": "no key"},
    ],
)
def test_an_account_that_cannot_work_is_said_at_the_start(platform: WeChatPayPlatform, changes: dict[str, str]) -> None:
    with pytest.raises(StartupError):
        WeChatPayV3(platform.settings(**changes))


def test_settings_show_no_secret(platform: WeChatPayPlatform) -> None:
    shown = repr(platform.settings())
    assert APIV3_KEY not in shown
    assert "PRIVATE" not in shown


def test_answers_are_as_wechat_wants_them(platform: WeChatPayPlatform) -> None:
    provider = WeChatPayV3(platform.settings())
    assert provider.accepted().status == 200
    assert (provider.refused().status, json.loads(provider.refused().body)["code"]) == (401, "FAIL")
    assert (provider.later().status, json.loads(provider.later().body)["code"]) == (503, "FAIL")
