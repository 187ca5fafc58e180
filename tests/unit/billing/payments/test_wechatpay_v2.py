"""WeChat Pay v2: its signatures, and what is believed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay.utils import calculate_signature, dict_to_xml

from services.billing.payments.domain import Callback, Channel, Payer, TradeState
from services.billing.payments.errors import CallbackRefusedError, ChannelUnavailableError, PaymentRefusedError
from services.billing.payments.providers import signed_xml
from services.billing.payments.providers.translation import MismatchError
from services.billing.payments.providers.wechatpay_v2 import WeChatPayV2
from services.billing.payments.providers.wechatpay_v2_client import Client, WeChatPayV2Settings
from services.runtime.errors import StartupError
from tests.fakes.payment_stand_in import a_refund, an_order

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
KEY = "qazwsxedcrfvtgbyhnujmikolp111111"
SETTINGS = WeChatPayV2Settings(
    base_url="https://api.mch.weixin.qq.com",
    mchid="1900000109",
    appid="wxd678efh567hg6787",
    notify_url="https://chat.example.com/v1/payments/wechatpay-v2/notify",
    api_key=KEY,
)
PAID = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "appid": SETTINGS.appid,
    "mch_id": SETTINGS.mchid,
    "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "out_trade_no": "order-1",
    "transaction_id": "4200000000000000000000000001",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "trade_type": "JSAPI",
    "total_fee": "1000",
    "time_end": "20261123115959",
}


def notice(fields: Mapping[str, str], *, key: str = KEY, sign_type: str = signed_xml.MD5) -> Callback:
    return Callback({}, {}, str(dict_to_xml(fields, signed_xml.sign(fields, key, sign_type))).encode())


async def refused(callback: Callback) -> str:
    with pytest.raises(CallbackRefusedError) as error:
        await WeChatPayV2(SETTINGS).read(callback, NOW)
    return error.value.problem


def test_the_official_vector_is_signed_as_published() -> None:
    fields = {
        "appId": "wxd678efh567hg6787",
        "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
        "package": "prepay_id=wx2017033010242291fcfe0db70013231072",
        "signType": "MD5",
        "timeStamp": "1490840662",
    }
    assert signed_xml.sign(fields, KEY, signed_xml.MD5) == "22D9B4E54AB1950F51E0649E8810ACD6"


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_a_client_gets_parameters_that_wechat_can_verify(sign_type: str) -> None:
    provider = WeChatPayV2(replace(SETTINGS, sign_type=sign_type))  # type: ignore[arg-type]  # one of the two
    parameters = dict(provider._payment_parameters("wx201", NOW))
    assert (parameters["package"], parameters["signType"]) == ("prepay_id=wx201", sign_type)
    signature = parameters.pop("paySign")
    assert signature == signed_xml.sign(parameters, KEY, sign_type)
    assert (signature == calculate_signature(parameters, KEY)) == (sign_type == "MD5")


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
async def test_a_payment_is_told(sign_type: str) -> None:
    told = await WeChatPayV2(SETTINGS).read(notice(PAID, sign_type=sign_type), NOW)
    assert told.trade is not None
    assert (told.trade.state, told.trade.amount_fen, told.trade.currency) == (TradeState.PAID, 1000, "CNY")
    assert told.trade.paid_at == datetime(2026, 11, 23, 3, 59, 59, tzinfo=UTC)
    assert (told.nonce, told.confirm) == (PAID["nonce_str"], True)


async def test_a_payment_that_failed_is_about_nothing_of_ours() -> None:
    told = await WeChatPayV2(SETTINGS).read(notice(PAID | {"result_code": "FAIL"}), NOW)
    assert (told.trade, told.refund) == (None, None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"return_code": "FAIL"}, "return_code"),
        ({"appid": "wx0000000000000000"}, "appid"),
        ({"mch_id": "1900000000"}, "mchid"),
        ({"total_fee": "10.00"}, "amount"),
        ({"total_fee": "-1"}, "amount"),
        ({"total_fee": "١"}, "amount"),
        ({"time_end": "20261332000000"}, "time"),
        ({"time_end": "yesterday"}, "time"),
        ({"nonce_str": ""}, "nonce_str"),
        ({"transaction_id": ""}, "transaction_id"),
    ],
)
async def test_what_cannot_be_our_payment_is_refused(changes: dict[str, str], problem: str) -> None:
    assert await refused(notice(PAID | changes)) == problem


async def test_a_forged_or_unsigned_notice_is_refused() -> None:
    assert await refused(notice(PAID, key="another")) == "signature"
    assert await refused(Callback({}, {}, str(dict_to_xml(PAID)).encode())) == "signature"
    genuine = notice(PAID)
    assert await refused(replace(genuine, body=genuine.body.replace(b"1000", b"9000"))) == "signature"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"<xml>",
        b"<xml/>",
        b"<xml>text</xml>",
        b"<xml><return_code>SUCCESS</return_code><a><b>1</b></a></xml>",
        b"<xml><return_code>SUCCESS</return_code><return_code>SUCCESS</return_code></xml>",
        b'<!DOCTYPE x [<!ENTITY a "SUCCESS">]><xml><return_code>&a;</return_code></xml>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><return_code>&a;</return_code></xml>',
        b"<xml>" + b"<a>" * 20_000,
        b"<xml><return_code>SUCCESS</return_code>" + b" " * 70_000 + b"</xml>",
    ],
)
async def test_nonsense_is_refused(body: bytes) -> None:
    assert await refused(Callback({}, {}, body)) in {"size", "malformed", "return_code"}


@given(st.binary(max_size=200))
async def test_no_refund_can_be_invented(req_info: bytes) -> None:
    body = dict_to_xml(PAID | {"req_info": req_info.hex() or "00"})
    assert await refused(Callback({}, {}, str(body).encode())) in {"req_info", "malformed"}


values = st.text(st.characters(min_codepoint=33, max_codepoint=0xFFFF, exclude_categories=["Cs", "Zs", "Cc", "Cn"]))


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), values, min_size=1), st.booleans())
def test_what_was_signed_is_read_as_it_was(fields: dict[str, str], is_hmac: bool) -> None:
    fields = {name: value.replace("]]>", "") for name, value in fields.items() if name != "sign"}
    fields |= {"nonce_str": "n"}
    sign_type = signed_xml.HMAC if is_hmac else signed_xml.MD5
    read = signed_xml.parse(str(dict_to_xml(fields, signed_xml.sign(fields, KEY, sign_type))))
    signed_xml.check_signed(read, KEY)
    assert {name: value for name, value in read.items() if name != "sign"} == {n: v for n, v in fields.items() if v}
    with pytest.raises(MismatchError):
        signed_xml.check_signed(read | {"nonce_str": "other"}, KEY)


def answer(fields: Mapping[str, str], key: str = KEY) -> requests.Response:
    response = requests.Response()
    response._content = str(dict_to_xml(fields, signed_xml.sign(fields, key, signed_xml.MD5))).encode()
    return response


def test_an_answer_of_somebody_else_is_not_believed() -> None:
    client = Client(SETTINGS)
    assert client._handle_result(answer(PAID))
    for other in (
        answer(PAID, key="another"),
        answer(PAID | {"mch_id": "1900000000"}),
        answer(PAID | {"appid": "wx0"}),
        answer(PAID | {"result_code": "FAIL", "err_code": "ORDERNOTEXIST"}, key="another"),
    ):
        with pytest.raises(MismatchError):
            client._handle_result(other)


def test_a_refusal_without_a_signature_says_nothing() -> None:
    with pytest.raises(WeChatPayException) as error:
        Client(SETTINGS)._handle_result(answer({"return_code": "FAIL", "err_code": "ORDERNOTEXIST"}))
    assert error.value.errcode is None


async def test_a_refund_without_a_certificate_says_what_is_missing() -> None:
    order = an_order(Channel.JSAPI_V2)
    with pytest.raises(PaymentRefusedError, match="certificate") as error:
        await WeChatPayV2(SETTINGS).refund(order, a_refund(order, 1))
    assert error.value.metadata["provider_code"] == "NO_CERTIFICATE"


@pytest.mark.parametrize(
    ("base_url", "can"),
    [
        ("http://127.0.0.1:8082", True),
        ("http://localhost:8082", True),
        ("http://[::1]:8082", True),
        ("https://127.0.0.1:8082", False),
        ("http://127.0.0.1.example.com", False),
        ("https://api.mch.weixin.qq.com", False),
    ],
)
def test_only_plain_http_to_this_machine_needs_no_certificate(base_url: str, *, can: bool) -> None:
    assert Client(replace(SETTINGS, base_url=base_url)).can_refund is can


def test_half_a_certificate_is_said_at_the_start() -> None:
    with pytest.raises(StartupError):
        WeChatPayV2(replace(SETTINGS, mch_cert_file="apiclient_cert.pem"))
    assert KEY not in repr(SETTINGS)


async def test_a_payer_without_an_openid_needs_another_way() -> None:
    with pytest.raises(ChannelUnavailableError):
        await WeChatPayV2(SETTINGS).prepay(an_order(Channel.JSAPI_V2, payer=Payer()), NOW)


def test_answers_are_as_wechat_wants_them() -> None:
    provider = WeChatPayV2(SETTINGS)
    said = [signed_xml.parse(one.body)["return_code"] for one in (provider.accepted(), provider.refused())]
    assert said == ["SUCCESS", "FAIL"]
    assert signed_xml.parse(provider.later().body)["return_code"] == "FAIL"
