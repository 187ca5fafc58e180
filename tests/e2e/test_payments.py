"""A person tops up and is given money back, whatever becomes of WeChat meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest
from queqiao.billing.v1 import payments_pb2, payments_pb2_grpc

from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User
from tests.e2e.shop import FEN, PAID, TRIAL, Shop, open_shop

pytestmark = pytest.mark.xdist_group("mesh")


@pytest.fixture
async def shop(mesh: Mesh, user: User) -> AsyncIterator[Shop]:
    async with open_shop(mesh, user) as shop:
        yield shop


@pytest.mark.parametrize("channel", ["jsapi", "native", "jsapi_v2"])
async def test_whoever_pays_has_the_money_at_once(shop: Shop, channel: str) -> None:
    order = await shop.buy(channel)
    assert order["state"] == "paying"
    for_wx = {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert order["payment"].keys() == ({"code_url"} if channel == "native" else for_wx)
    await shop.pay(order)
    assert await shop.answers(order, 1) == [200]
    await shop.reaches(PAID)
    assert await shop.state(order) == "paid"
    async with shop.user.http.get(f"{shop.user.url}/v1/wallet/transactions") as answer:
        newest = (await answer.json())["data"][0]
    assert (newest["kind"], newest["amount_micros"], newest["request_id"]) == ("topup", FEN * 10_000, order["id"])


async def test_a_virtual_payment_is_signed_with_the_session_key_and_credited(shop: Shop) -> None:
    order = await shop.buy("virtual")
    assert order["payment"].keys() == {"mode", "signData", "paySig", "signature"}
    # The stand-in verifies both signatures, the user's with the key that its login gave out.
    body = {**order["payment"], "openid": await _openid(shop)}
    async with shop.user.http.post(f"{shop.wechat}/sandbox/virtual-payment", json=body) as answer:
        assert answer.status == 200, await answer.text()
    assert json.loads(order["payment"]["signData"])["outTradeNo"] == order["id"]
    await shop.reaches(TRIAL + order["amount_fen"] * 10_000)
    assert await shop.state(order) == "paid"


async def _openid(shop: Shop) -> str:
    """The user's openid: whom a JSAPI order of theirs is to be paid by."""
    order = await shop.buy("jsapi")
    async with shop.user.http.get(f"{shop.wechat}/sandbox/orders") as answer:
        orders = (await answer.json())["orders"]
    openid: str = next(one["openid"] for one in orders if one["out_trade_no"] == order["id"])
    return openid


async def test_the_same_idempotency_key_is_the_same_order(shop: Shop) -> None:
    first = await shop.buy("native", **{"Idempotency-Key": "tap-tap"})
    second = await shop.buy("native", **{"Idempotency-Key": "tap-tap"})
    assert (second["id"], second["payment"]) == (first["id"], first["payment"])
    body = {"package_id": "large", "channel": "native"}
    headers = {"Idempotency-Key": "tap-tap"}
    async with shop.user.http.post(f"{shop.user.url}/v1/orders", json=body, headers=headers) as answer:
        assert answer.status == 409
        assert (await answer.json())["error"]["code"] == "idempotency_conflict"


@pytest.mark.parametrize("fault", ["system_error", "frequency_limited", "unsigned", "wrongly_signed", "lost_answer"])
async def test_an_order_survives_a_provider_that_stumbles(shop: Shop, fault: str) -> None:
    await shop.settings(api_faults=[fault])
    order = await shop.buy("native")
    await shop.pay(order)
    await shop.reaches(PAID)


async def test_an_order_goes_on_when_the_provider_is_back(shop: Shop) -> None:
    await shop.settings(api_faults=["system_error"] * 20)
    body, headers = {"package_id": "small", "channel": "native"}, {"Idempotency-Key": "patience"}
    async with shop.user.http.post(f"{shop.user.url}/v1/orders", json=body, headers=headers) as answer:
        assert answer.status == 503, await answer.text()
        assert (await answer.json())["error"]["code"] == "service_unavailable"
        assert "Retry-After" in answer.headers
    await shop.settings(api_faults=[])
    order = await shop.buy("native", **headers)
    await shop.pay(order)
    await shop.reaches(PAID)


async def test_a_refund_is_held_until_wechat_has_finished(shop: Shop) -> None:
    await shop.settings(refund_ends="success", refund_after_s=0.5)
    order = await shop.buy()
    await shop.pay(order)
    await shop.reaches(PAID)
    refund = await shop.refund(order, 42)
    assert refund.state == payments_pb2.REFUND_STATE_HELD
    assert await shop.user.wallet() == (PAID, 42 * 10_000)
    await shop.reaches(PAID - 42 * 10_000)
    assert (await shop.user.wallet())[1] == 0


async def test_a_refund_that_wechat_closes_is_in_the_wallet_again(shop: Shop) -> None:
    await shop.settings(refund_ends="closed", refund_after_s=0.3)
    order = await shop.buy()
    await shop.pay(order)
    await shop.reaches(PAID)
    await shop.refund(order)
    async with asyncio.timeout(15):
        while (await shop.user.wallet())[1]:
            await asyncio.sleep(0.05)
    assert await shop.balance() == PAID


async def test_nobody_gets_more_back_than_is_left_of_what_they_paid(shop: Shop) -> None:
    order = await shop.buy()
    await shop.pay(order)
    await shop.reaches(PAID)
    await shop.refund(order, 100)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.refund(order, 43)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await shop.refund(order, 42)
    await shop.reaches(TRIAL)


async def test_another_users_order_does_not_exist(shop: Shop, people: People) -> None:
    order = await shop.buy()
    other = await people.login()
    async with other.http.get(f"{other.url}/v1/orders/{order['id']}") as answer:
        assert answer.status == 404
    async with other.http.get(f"{other.url}/v1/orders") as answer:
        assert (await answer.json())["data"] == []


async def test_the_day_agrees_with_wechats_bill_and_a_difference_is_told(shop: Shop, mesh: Mesh) -> None:
    order = await shop.buy("native")
    await shop.pay(order)
    await shop.reaches(PAID)
    async with shop.user.http.get(f"{shop.wechat}/sandbox/orders") as answer:
        day = next(o for o in (await answer.json())["orders"] if o["out_trade_no"] == order["id"])["paid_at"][:10]
    request = payments_pb2.ReconcileRequest(provider="wechatpay", day=day)
    async with grpc.aio.insecure_channel(shop.billing) as channel:
        payments = payments_pb2_grpc.PaymentServiceStub(channel)
        agreed = await payments.Reconcile(request)
        await shop.settings(bill_fault="foreign_row")
        foreign = await payments.Reconcile(request)
    known = [difference.kind for difference in agreed.differences]
    assert payments_pb2.DIFFERENCE_KIND_MISSING_IN_BOOKS not in known
    assert agreed.book_payments >= 1
    fresh = [difference.kind for difference in foreign.differences if difference.kind not in known]
    assert fresh == [payments_pb2.DIFFERENCE_KIND_MISSING_IN_BOOKS]
