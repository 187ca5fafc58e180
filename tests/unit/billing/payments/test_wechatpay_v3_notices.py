"""WeChat Pay APIv3: which notices are believed. Every signature is a real one."""

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.payments.domain import Callback, RefundProgress, TradeState
from services.billing.payments.errors import (
    CallbackRefusedError,
)
from services.billing.payments.providers.wechatpay_v3 import WeChatPayV3
from tests.fakes.payment_platform import (
    MCHID,
    NOW,
    OPENID,
    SCHEME,
    Answers,
    WeChatPayPlatform,
    a_transaction,
)


@pytest.fixture(scope="module")
def genuine(platform: WeChatPayPlatform) -> Callback:
    return platform.callback(a_transaction())


@pytest.fixture(scope="module")
def unconnected(platform: WeChatPayPlatform) -> WeChatPayV3:
    return WeChatPayV3(platform.settings())


async def refused(wechatpay: WeChatPayV3, callback: Callback, now: datetime = NOW) -> str:
    with pytest.raises(CallbackRefusedError) as error:
        await wechatpay.read(callback, now)
    return error.value.problem


async def test_a_payment_is_told(platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3) -> None:
    callback = platform.callback(a_transaction())
    notice = await wechatpay.read(callback, NOW)
    assert notice.trade is not None
    assert notice.trade.state is TradeState.PAID
    assert (notice.trade.out_trade_no, notice.trade.amount_fen, notice.trade.openid) == ("order-1", 1000, OPENID)
    assert notice.trade.paid_at == datetime(2026, 11, 23, 3, 59, 59, tzinfo=UTC)
    assert notice.nonce == (await wechatpay.read(callback, NOW)).nonce
    assert notice.nonce != (await wechatpay.read(platform.callback(a_transaction()), NOW)).nonce
    assert not answers.requests


@pytest.mark.parametrize(
    ("said", "progress"),
    [
        ("SUCCESS", RefundProgress.DONE),
        ("CLOSED", RefundProgress.CLOSED),
        ("ABNORMAL", RefundProgress.ABNORMAL),
    ],
)
async def test_a_refund_is_told(
    platform: WeChatPayPlatform, wechatpay: WeChatPayV3, said: str, progress: RefundProgress
) -> None:
    refund = {
        "mchid": MCHID,
        "out_trade_no": "order-1",
        "refund_id": "5030",
        "out_refund_no": "refund-1",
        "refund_status": said,
        "amount": {"total": 1000, "refund": 300},
    }
    notice = await wechatpay.read(platform.callback(refund, event_type=f"REFUND.{said}"), NOW)
    assert notice.refund is not None
    assert (notice.refund.progress, notice.refund.amount_fen) == (progress, 300)
    foreign = platform.callback(refund | {"mchid": "1900000000"}, event_type=f"REFUND.{said}")
    assert await refused(wechatpay, foreign) == "mchid"


async def test_an_event_about_nothing_of_ours_is_taken(platform: WeChatPayPlatform, wechatpay: WeChatPayV3) -> None:
    notice = await wechatpay.read(platform.callback({}, event_type="PAYSCORE.USER_OPEN_SERVICE"), NOW)
    assert (notice.trade, notice.refund) == (None, None)


@pytest.mark.parametrize(
    ("age", "problem"),
    [
        (timedelta(seconds=300), "stale"),
        (timedelta(seconds=-300), "stale"),
        (timedelta(seconds=299), None),
        (timedelta(seconds=-299), None),
    ],
)
async def test_five_minutes_are_too_old(
    platform: WeChatPayPlatform, wechatpay: WeChatPayV3, age: timedelta, problem: str | None
) -> None:
    callback = platform.callback(a_transaction())
    if problem is None:
        await wechatpay.read(callback, NOW + age)
    else:
        assert await refused(wechatpay, callback, NOW + age) == problem


@pytest.mark.parametrize(
    ("header", "value", "problem"),
    [
        ("wechatpay-timestamp", "", "timestamp"),
        ("wechatpay-timestamp", "١٧٦٣", "timestamp"),
        ("wechatpay-timestamp", str(int(NOW.timestamp()) + 1), "unverified"),
        ("wechatpay-nonce", "", "nonce"),
        ("wechatpay-nonce", "another", "unverified"),
        ("wechatpay-signature", "", "malformed"),
        ("wechatpay-signature", "WECHATPAY/SIGNTEST/Zm9yZ2Vk", "signtest"),
        ("wechatpay-signature", base64.b64encode(b"forged").decode(), "unverified"),
        ("wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3", "malformed"),
        ("wechatpay-serial", "", "serial"),
        ("wechatpay-serial", "PUB_KEY_ID_ANOTHER", "serial"),
        ("wechatpay-serial", "no hex at all", "serial"),
        ("wechatpay-serial", "0x12", "serial"),
        ("wechatpay-serial", "ABCDEF0123456789", "serial"),
        ("wechatpay-serial", "F" * 4000, "serial"),
    ],
)
async def test_a_changed_header_is_refused(
    platform: WeChatPayPlatform, wechatpay: WeChatPayV3, header: str, value: str, problem: str
) -> None:
    callback = platform.callback(a_transaction())
    changed = replace(callback, headers={**callback.headers, header: value})
    assert await refused(wechatpay, changed) == problem


async def test_a_missing_signature_type_is_the_only_one_there_is(
    platform: WeChatPayPlatform, wechatpay: WeChatPayV3
) -> None:
    callback = platform.callback(a_transaction())
    headers = {name: value for name, value in callback.headers.items() if value != SCHEME}
    assert (await wechatpay.read(replace(callback, headers=headers), NOW)).trade is not None


async def test_a_changed_body_is_refused(platform: WeChatPayPlatform, wechatpay: WeChatPayV3) -> None:
    callback = platform.callback(a_transaction())
    assert await refused(wechatpay, replace(callback, body=callback.body + b" ")) == "unverified"


async def test_a_resource_under_another_key_is_refused(platform: WeChatPayPlatform, wechatpay: WeChatPayV3) -> None:
    assert await refused(wechatpay, platform.callback(a_transaction(), key="x" * 32)) == "unverified"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"appid": "wx0000000000000000"}, "appid"),
        ({"mchid": "1900000000"}, "mchid"),
        ({"mchid": None}, "mchid"),
        ({"trade_state": "PARTY"}, "state"),
        ({"out_trade_no": 7}, "out_trade_no"),
        ({"transaction_id": ""}, "transaction_id"),
        ({"amount": {"total": 10.0, "currency": "CNY"}}, "amount"),
        ({"amount": {"total": True, "currency": "CNY"}}, "amount"),
        ({"amount": {"total": -1, "currency": "CNY"}}, "amount"),
        ({"amount": []}, "amount"),
        ({"payer": "me"}, "payer"),
        ({"success_time": "yesterday"}, "time"),
        ({"success_time": "2026-11-23T11:59:59"}, "time"),
    ],
)
async def test_what_cannot_be_our_payment_is_refused(
    platform: WeChatPayPlatform, wechatpay: WeChatPayV3, changes: dict[str, object], problem: str
) -> None:
    assert await refused(wechatpay, platform.callback(a_transaction(**changes))) == problem


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{",
        b"[" * 60_000,
        b"{}" + b" " * 70_000,
        b'{"resource_type":"encrypt-resource"}',
        b'{"resource_type":"encrypt-resource","resource":7}',
        b'{"resource_type":"encrypt-resource","resource":{"algorithm":"ROT13"}}',
        b'{"resource_type":"plain","resource":{"amount":1}}',
        b'{"resource_type":"encrypt-resource","resource":'
        b'{"algorithm":"AEAD_AES_256_GCM","nonce":"123456789012","ciphertext":"%%"}}',
    ],
)
async def test_a_well_signed_body_of_nonsense_is_refused(
    platform: WeChatPayPlatform, wechatpay: WeChatPayV3, body: bytes
) -> None:
    assert await refused(wechatpay, platform.raw(body)) in {"size", "malformed", "unverified"}


async def test_a_resource_that_is_no_object_is_refused(platform: WeChatPayPlatform, wechatpay: WeChatPayV3) -> None:
    assert await refused(wechatpay, platform.callback([1, 2])) == "unverified"


async def test_a_certificate_is_fetched_once_and_then_believed(
    platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3
) -> None:
    callbacks = [platform.callback(a_transaction(), by_certificate=True) for _ in range(5)]
    notices = await asyncio.gather(*(wechatpay.read(callback, NOW) for callback in callbacks))
    assert all(notice.trade is not None for notice in notices)
    assert len(answers.requests) == 1


async def test_invented_serials_ask_at_most_once_a_minute(
    platform: WeChatPayPlatform, answers: Answers, wechatpay: WeChatPayV3
) -> None:
    genuine = platform.callback(a_transaction(), by_certificate=True)
    await wechatpay.read(genuine, NOW)
    for number in range(20):
        headers = {**genuine.headers, "wechatpay-serial": f"{number:040X}"}
        assert await refused(wechatpay, replace(genuine, headers=headers)) == "serial"
    assert len(answers.requests) == 1
    # A minute later they ask again; that WeChat does not answer must not cost us the certificates we have.
    wechatpay._client._core._refresh_allowed_at = 0.0
    answers.next = lambda _: httpx.Response(502)
    headers = {**genuine.headers, "wechatpay-serial": "AB"}
    assert await refused(wechatpay, replace(genuine, headers=headers)) == "serial"
    assert (await wechatpay.read(genuine, NOW)).trade is not None


@given(st.dictionaries(st.sampled_from(["timestamp", "nonce", "signature", "serial"]), st.text()), st.binary())
def test_nothing_a_stranger_sends_does_more_than_be_refused(
    genuine: Callback, unconnected: WeChatPayV3, headers: dict[str, str], body: bytes
) -> None:
    changed = {**genuine.headers, **{f"wechatpay-{name}": value for name, value in headers.items()}}
    with pytest.raises(CallbackRefusedError):
        asyncio.run(unconnected.read(Callback(changed, {}, body), NOW))
