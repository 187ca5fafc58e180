"""Each manner in which the stand-in misbehaves, seen from a merchant's server."""

import json
import time

import httpx
import pytest
from wechatpayv3.async_ import AsyncWeChatPay

from sandbox.wechat.misbehaviour import How
from sandbox.wechat.orders import Api
from tests.fakes.callbacks import Callbacks, Received, Reply
from tests.integration.sandbox.conftest import OPENID, StandIn, place, refund, verified


async def announced(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks, how: str) -> Received:
    """The first callback of an order of 1000 fen that was paid in this manner."""
    await stand_in.pay(await place(merchant, callbacks), how)
    return await callbacks.next()


async def test_late_comes_later(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    begin = time.monotonic()
    verified(merchant, await announced(stand_in, merchant, callbacks, "late"))
    assert time.monotonic() - begin >= 0.3


async def test_duplicate_comes_twice_and_is_signed_afresh(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    first = await announced(stand_in, merchant, callbacks, "duplicate")
    second = await callbacks.next()
    assert verified(merchant, first)["id"] == verified(merchant, second)["id"]
    assert first.headers["Wechatpay-Nonce"] != second.headers["Wechatpay-Nonce"]
    assert await callbacks.nothing_comes(within_s=0.2)


async def test_replayed_comes_twice_to_the_byte(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    assert await announced(stand_in, merchant, callbacks, "replayed") == await callbacks.next()


async def test_stale_is_signed_well_but_long_ago(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    received = await announced(stand_in, merchant, callbacks, "stale")
    verified(merchant, received)
    assert time.time() - int(received.headers["Wechatpay-Timestamp"]) >= 300


async def test_reordered_comes_after_the_refund(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    number = await place(merchant, callbacks)
    await stand_in.pay(number, "reordered")
    assert await callbacks.nothing_comes(within_s=0.2)
    await refund(merchant, number, 1000, notify_url=callbacks.url)
    events = [verified(merchant, await callbacks.next())["event_type"] for _ in range(2)]
    assert events == ["REFUND.SUCCESS", "TRANSACTION.SUCCESS"]


@pytest.mark.parametrize(
    ("how", "field", "truth"),
    [
        ("wrong_amount", "amount", {"total": 1000, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"}),
        ("other_payer", "payer", {"openid": OPENID}),
        ("other_merchant", "mchid", None),
        ("other_appid", "appid", None),
    ],
)
async def test_a_lie_is_signed_well_and_a_query_tells_the_truth(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks, how: str, field: str, truth: object
) -> None:
    told = verified(merchant, await announced(stand_in, merchant, callbacks, how))["resource"]
    asked = json.loads((await merchant.query(out_trade_no=told["out_trade_no"]))[1])
    known = {"mchid": stand_in.env["WECHATPAY_MCHID"], "appid": stand_in.env["WECHAT_APPID"]}
    assert told[field] != asked[field] == (truth or known[field])
    assert told == asked | {field: told[field]}


async def test_forged_is_refused_by_the_sdk(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    received = await announced(stand_in, merchant, callbacks, "forged")
    assert merchant.callback(received.headers, received.body) is None


async def test_signtest_is_a_probe_and_the_real_notice_follows_its_refusal(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    callbacks.replies = [Reply(401)]
    probe = await announced(stand_in, merchant, callbacks, "signtest")
    assert probe.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    assert merchant.callback(probe.headers, probe.body) is None
    verified(merchant, await callbacks.next())


async def test_unknown_serial_is_nobodys(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    received = await announced(stand_in, merchant, callbacks, "unknown_serial")
    known = json.loads((await merchant._core.request("/v3/certificates"))[1])["data"]
    serial = received.headers["Wechatpay-Serial"]
    assert serial not in (stand_in.env["WECHATPAY_PUBLIC_KEY_ID"], *(entry["serial_no"] for entry in known))
    assert merchant.callback(received.headers, received.body) is None


async def test_wrong_key_is_signed_well_and_cannot_be_read(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    received = await announced(stand_in, merchant, callbacks, "wrong_key")
    assert merchant._core._verify_signature(received.headers, received.body.decode())
    assert merchant.callback(received.headers, received.body) is None


async def test_certificate_serial_is_verified_by_the_platforms_certificate(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    received = await announced(stand_in, merchant, callbacks, "certificate_serial")
    assert received.headers["Wechatpay-Serial"] != stand_in.env["WECHATPAY_PUBLIC_KEY_ID"]
    await merchant._core._update_certificates()
    verified(merchant, received)


async def test_lost_never_comes(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    number = await place(merchant, callbacks)
    await stand_in.pay(number, "lost")
    assert await callbacks.nothing_comes(within_s=0.3)
    assert json.loads((await merchant.query(out_trade_no=number))[1])["trade_state"] == "SUCCESS"


async def test_slow_dribbles_in_and_is_whole(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    begin = time.monotonic()
    verified(merchant, await announced(stand_in, merchant, callbacks, "slow"))
    assert time.monotonic() - begin > 1.5


async def test_orders_pay_themselves(stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks) -> None:
    await stand_in.settings(auto_pay_after_s=0.1, auto_pay_how="duplicate")
    number = await place(merchant, callbacks)
    for _ in range(2):
        assert verified(merchant, await callbacks.next())["resource"]["out_trade_no"] == number


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("system_error", 500, "SYSTEM_ERROR"), ("frequency_limited", 429, "FREQUENCY_LIMITED")],
)
async def test_an_api_call_fails_on_demand_and_the_next_one_does_not(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks, fault: str, status: int, code: str
) -> None:
    number = await place(merchant, callbacks)
    await stand_in.settings(api_faults=[fault])
    failed, said = await merchant.query(out_trade_no=number)
    assert (failed, json.loads(said)["code"]) == (status, code)
    assert (await merchant.query(out_trade_no=number))[0] == 200


@pytest.mark.parametrize(("fault", "closed"), [("timeout", False), ("lost_answer", True)])
async def test_an_api_call_without_an_answer(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks, fault: str, *, closed: bool
) -> None:
    number = await place(merchant, callbacks)
    await stand_in.settings(api_faults=[fault])
    merchant._core._client.timeout = httpx.Timeout(0.5)
    with pytest.raises(httpx.ReadTimeout):
        await merchant.close(number)
    assert (json.loads((await merchant.query(out_trade_no=number))[1])["trade_state"] == "CLOSED") == closed


@pytest.mark.parametrize("fault", ["unsigned", "wrongly_signed"])
async def test_an_answer_that_the_platform_did_not_sign(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks, fault: str
) -> None:
    number = await place(merchant, callbacks)
    await stand_in.settings(api_faults=[fault])
    with pytest.raises(Exception, match=r"verify the signature|does not support this algorithm"):
        await merchant.query(out_trade_no=number)


async def test_a_setting_or_a_manner_that_does_not_exist_is_refused_by_name(
    stand_in: StandIn, merchant: AsyncWeChatPay, callbacks: Callbacks
) -> None:
    assert "$.how" in (await stand_in.pay(await place(merchant, callbacks), "politely"))["error"]
    assert "mood" in (await stand_in.settings(mood="bad"))["error"]
    assert "clock_speed" in (await stand_in.settings(clock_speed=0))["error"]


def test_every_manner_occurs_in_v3() -> None:
    assert all(how.occurs_in(Api.V3) for how in How)
