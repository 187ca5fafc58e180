"""Virtual payment: which pushes are believed."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import xmltodict
from wechatpy.crypto import WeChatCrypto

from services.billing.payments.domain import Callback, RefundProgress, TradeState
from services.billing.payments.errors import (
    CallbackRefusedError,
)
from services.billing.payments.providers.platform_client import VirtualPaymentSettings
from services.billing.payments.providers.virtual_payment import VirtualPayment

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
AES_KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"
SETTINGS = VirtualPaymentSettings(
    base_url="https://api.weixin.qq.com",
    appid="wxd678efh567hg6787",
    offer_id="1450000001",
    secret="not-a-secret",
    app_key="app-key",
    message_token="message-token",
)
ENCRYPTED = replace(SETTINGS, encoding_aes_key=AES_KEY)
DELIVER = {"MsgType": "event", "Event": "xpay_goods_deliver_notify", "OutTradeNo": "order-1", "Env": 0}


def signed(*, at: datetime = NOW, token: str = SETTINGS.message_token, **more: str) -> dict[str, str]:
    """The query of a push."""
    timestamp, nonce = str(int(at.timestamp())), "486452656"
    parts = "".join(sorted((token, timestamp, nonce)))
    digest = hashlib.sha1(parts.encode()).hexdigest()  # noqa: S324  # the protocol's own choice
    return {"signature": digest, "timestamp": timestamp, "nonce": nonce} | more


def push(message: Mapping[str, object], query: Mapping[str, str] | None = None) -> Callback:
    return Callback({}, signed() if query is None else query, json.dumps(message).encode())


def encrypted(message: str, *, appid: str = SETTINGS.appid, token: str = SETTINGS.message_token) -> Callback:
    query = signed()
    xml = WeChatCrypto(token, AES_KEY, appid).encrypt_message(message, query["nonce"], query["timestamp"])
    fields = xmltodict.parse(xml)["xml"]
    query |= {"msg_signature": fields["MsgSignature"], "encrypt_type": "aes"}
    return push({"ToUserName": "gh_1", "Encrypt": fields["Encrypt"]}, query)


async def refused(callback: Callback, settings: VirtualPaymentSettings = SETTINGS) -> str:
    async with VirtualPayment(settings) as provider:
        with pytest.raises(CallbackRefusedError) as error:
            await provider.read(callback, NOW)
    return error.value.problem


@pytest.fixture
async def virtual() -> AsyncIterator[VirtualPayment]:
    async with VirtualPayment(SETTINGS) as provider:
        yield provider


@pytest.mark.parametrize("as_xml", [False, True])
async def test_a_push_is_only_a_hint(virtual: VirtualPayment, *, as_xml: bool) -> None:
    callback = push(DELIVER)
    if as_xml:
        callback = replace(callback, body=xmltodict.unparse({"xml": DELIVER}).encode())
    notice = await virtual.read(callback, NOW)
    assert notice.trade is not None
    assert (notice.trade.out_trade_no, notice.trade.state) == ("order-1", TradeState.UNKNOWN)
    assert notice.confirm
    assert notice.nonce == (await virtual.read(callback, NOW)).nonce


async def test_a_refund_push_is_only_a_hint(virtual: VirtualPayment) -> None:
    message = {"Event": "xpay_refund_notify", "MchRefundId": "refund-1", "MchOrderId": "order-1", "RetCode": 0}
    notice = await virtual.read(push(message), NOW)
    assert notice.refund is not None
    assert (notice.refund.out_refund_no, notice.refund.progress) == ("refund-1", RefundProgress.PROCESSING)
    assert notice.confirm


async def test_a_push_about_something_else_is_taken(virtual: VirtualPayment) -> None:
    notice = await virtual.read(push({"Event": "wxa_media_check"}), NOW)
    assert (notice.trade, notice.refund) == (None, None)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({}, "timestamp"),
        (signed(at=NOW - timedelta(seconds=300)), "stale"),
        (signed(at=NOW + timedelta(seconds=300)), "stale"),
        (signed(token="another"), "unverified"),
        (signed(signature=""), "unverified"),
        (signed(signature="密"), "unverified"),
        (signed(nonce="another"), "unverified"),
        (signed(nonce=""), "nonce"),
    ],
)
async def test_a_push_of_somebody_else_is_refused(query: dict[str, str], problem: str) -> None:
    assert await refused(push(DELIVER, query)) == problem


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"<xml>", b"<other/>", b"<xml>text</xml>", b"{}" + b" " * 70_000]
)
async def test_a_push_of_nonsense_is_refused(body: bytes) -> None:
    assert await refused(Callback({}, signed(), body)) in {"size", "malformed"}


async def test_a_push_without_an_order_is_refused() -> None:
    assert await refused(push({"Event": "xpay_goods_deliver_notify", "OutTradeNo": 7})) == "OutTradeNo"


async def test_an_encrypted_push_is_read() -> None:
    async with VirtualPayment(ENCRYPTED) as provider:
        for message in (json.dumps(DELIVER), xmltodict.unparse({"xml": DELIVER})):
            notice = await provider.read(encrypted(message), NOW)
            assert notice.trade is not None
            assert notice.trade.out_trade_no == "order-1"


async def test_with_a_key_only_encrypted_pushes_are_believed() -> None:
    genuine = encrypted(json.dumps(DELIVER))
    assert await refused(push(DELIVER), ENCRYPTED) == "unverified"
    assert await refused(encrypted(json.dumps(DELIVER), appid="wx0000000000000000"), ENCRYPTED) == "unverified"
    assert await refused(encrypted(json.dumps(DELIVER), token="another"), ENCRYPTED) == "unverified"
    assert await refused(replace(genuine, query={**genuine.query, "msg_signature": ""}), ENCRYPTED) == "unverified"
    assert await refused(encrypted("nonsense"), ENCRYPTED) == "malformed"


def test_the_address_is_verified_by_an_echo() -> None:
    provider = VirtualPayment(SETTINGS)
    assert provider.echo(signed(echostr="7384927384")) == "7384927384"
    assert provider.echo(signed(token="another", echostr="7384927384")) is None
    assert provider.echo(signed(echostr="<script>")) is None
    assert provider.echo({}) is None
