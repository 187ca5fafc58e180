"""A person tops up: through the public API, with WeChat's wire protocol behind it, however WeChat behaves.

Everything that is asked of the stand-in, its misbehaviour too, goes over the network.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from queqiao.billing.v1 import books_pb2, books_pb2_grpc, payments_pb2, payments_pb2_grpc

from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User

pytestmark = pytest.mark.xdist_group("mesh")

TRIAL = 1_000_000
# The small package at ¥7.10 a dollar.
FEN = 142
PAID = TRIAL + FEN * 10_000


@dataclass(frozen=True)
class Shop:
    """A user who buys, and the stand-in that they pay through."""

    user: User
    wechat: str
    billing: str

    async def buy(self, channel: str = "jsapi", **headers: str) -> dict[str, Any]:
        """Order the small package."""
        body = {"package_id": "small", "channel": channel}
        async with self.user.http.post(f"{self.user.url}/v1/orders", json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            order: dict[str, Any] = await answer.json()
            assert order["amount_fen"] == FEN or channel == "virtual"
            return order

    async def pay(self, order: dict[str, Any], how: str = "normal", **more: str) -> None:
        """Pay at the stand-in, which then tells the gateway in this manner."""
        body = {"how": how, **more}
        async with self.user.http.post(f"{self.wechat}/sandbox/pay/{order['id']}", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def settings(self, **changes: object) -> None:
        """Change how the stand-in behaves."""
        async with self.user.http.put(f"{self.wechat}/sandbox/settings", json=changes) as answer:
            assert answer.status == 200, await answer.text()

    async def answers(self, order: dict[str, Any], count: int, event: str = "payment") -> list[int]:
        """What the gateway answered to the first so many callbacks about an order."""
        async with asyncio.timeout(15):
            while True:
                async with self.user.http.get(f"{self.wechat}/sandbox/orders") as answer:
                    attempts = (await answer.json())["attempts"]
                about = [a for a in attempts if a["out_trade_no"] == order["id"] and a["event"] == event]
                if len(about) >= count:
                    return [attempt["status"] for attempt in about[:count]]
                await asyncio.sleep(0.05)

    async def state(self, order: dict[str, Any]) -> str:
        """How the order stands, which makes the server ask WeChat if it waits."""
        async with self.user.http.get(f"{self.user.url}/v1/orders/{order['id']}") as answer:
            assert answer.status == 200, await answer.text()
            state: str = (await answer.json())["state"]
            return state

    async def balance(self) -> int:
        """The wallet's balance, in micro-yuan."""
        return (await self.user.wallet())[0]

    async def refund(self, order: dict[str, Any], fen: int = 0) -> payments_pb2.Refund:
        """Give a payment back, as an operator does."""
        request = payments_pb2.CreateRefundRequest(
            request_id=f"refund-{fen}", out_trade_no=order["id"], amount_fen=fen, reason="测试退款"
        )
        async with grpc.aio.insecure_channel(self.billing) as channel:
            return (await payments_pb2_grpc.PaymentServiceStub(channel).CreateRefund(request)).refund

    async def reaches(self, balance: int) -> None:
        """Wait until the balance is this, and see that it stays."""
        async with asyncio.timeout(20):
            while await self.balance() != balance:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        assert await self.balance() == balance


@pytest.fixture
async def shop(mesh: Mesh, user: User) -> AsyncIterator[Shop]:
    shop = Shop(user, mesh.env["WECHATPAY_BASE_URL"], mesh.env["BILLING_TARGET"])
    yield shop
    await shop.settings(
        api_faults=[], refund_ends="at_once", refund_after_s=1.0, bill_fault=None, clock_speed=60.0, late_s=3.0
    )
    # Whatever happened, the books are right.
    async with grpc.aio.insecure_channel(mesh.env["BILLING_TARGET"]) as channel:
        found = await books_pb2_grpc.BooksServiceStub(channel).VerifyLedger(books_pb2.VerifyLedgerRequest())
    assert found.ok, found.findings


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


@pytest.mark.parametrize("channel", ["jsapi", "jsapi_v2"])
async def test_late(shop: Shop, channel: str) -> None:
    await shop.settings(late_s=0.5)
    order = await shop.buy(channel)
    await shop.pay(order, "late")
    assert await shop.balance() == TRIAL
    assert await shop.answers(order, 1) == [200]
    await shop.reaches(PAID)


@pytest.mark.parametrize("how", ["duplicate", "replayed"])
@pytest.mark.parametrize("channel", ["jsapi", "jsapi_v2"])
async def test_duplicate_and_replayed(shop: Shop, channel: str, how: str) -> None:
    order = await shop.buy(channel)
    await shop.pay(order, how)
    assert await shop.answers(order, 2) == [200, 200]
    await shop.reaches(PAID)


async def test_lost(shop: Shop) -> None:
    order = await shop.buy()
    await shop.pay(order, "lost")
    assert await shop.balance() == TRIAL
    # The client comes back from wx.requestPayment and looks.
    assert await shop.state(order) == "paid"
    await shop.reaches(PAID)


async def test_lost_and_nobody_looks(shop: Shop) -> None:
    order = await shop.buy("native")
    await shop.pay(order, "lost")
    # The watch asks for the first time after fifteen seconds.
    async with asyncio.timeout(40):
        while await shop.balance() != PAID:
            await asyncio.sleep(0.25)


async def test_slow(shop: Shop) -> None:
    order = await shop.buy()
    await shop.pay(order, "slow")
    assert await shop.answers(order, 1) == [200]
    await shop.reaches(PAID)


async def test_signtest(shop: Shop) -> None:
    order = await shop.buy()
    await shop.pay(order, "signtest")
    assert await shop.answers(order, 2) == [401, 200]
    await shop.reaches(PAID)


async def test_certificate_serial(shop: Shop) -> None:
    order = await shop.buy()
    await shop.pay(order, "certificate_serial")
    assert await shop.answers(order, 1) == [200]
    await shop.reaches(PAID)


@pytest.mark.parametrize(
    "how",
    [
        "wrong_amount",
        "other_payer",
        "other_merchant",
        "other_appid",
        "forged",
        "stale",
        "unknown_serial",
        "wrong_key",
    ],
)
async def test_what_must_not_be_believed_is_refused_and_the_truth_is_asked_for(shop: Shop, how: str) -> None:
    order = await shop.buy()
    await shop.pay(order, how)
    assert await shop.answers(order, 2) == [401, 401]
    assert await shop.balance() == TRIAL
    # The payment itself was real.
    assert await shop.state(order) == "paid"
    await shop.reaches(PAID)


@pytest.mark.parametrize("how", ["other_merchant", "other_appid", "forged"])
async def test_v2_callbacks_that_must_not_be_believed_are_refused(shop: Shop, how: str) -> None:
    order = await shop.buy("jsapi_v2")
    await shop.pay(order, how)
    await shop.answers(order, 2)
    assert await shop.balance() == TRIAL
    assert await shop.state(order) == "paid"
    await shop.reaches(PAID)


@pytest.mark.parametrize("how", ["wrong_amount", "other_payer"])
async def test_a_v2_callback_is_a_hint_and_what_the_provider_says_counts(shop: Shop, how: str) -> None:
    order = await shop.buy("jsapi_v2")
    await shop.pay(order, how)
    assert await shop.answers(order, 1) == [200]
    await shop.reaches(PAID)


async def test_reordered(shop: Shop) -> None:
    order = await shop.buy()
    await shop.pay(order, "reordered")
    assert await shop.state(order) == "paid"
    await shop.refund(order)
    # The refund's callback first, then the payment's: neither moves anything a second time.
    assert await shop.answers(order, 1, "refund") == [200]
    assert await shop.answers(order, 1) == [200]
    await shop.reaches(TRIAL)
    assert await shop.state(order) == "refunded"


async def test_a_callback_about_another_providers_order_is_refused(shop: Shop) -> None:
    """A genuine callback of one account, sent to the address of another."""
    order = await shop.buy("jsapi")
    body = b"<xml><return_code>SUCCESS</return_code><out_trade_no>" + order["id"].encode() + b"</out_trade_no></xml>"
    for provider in ("wechatpay-v2", "virtual-payment", "wechatpay"):
        url = f"{shop.user.url}/v1/payments/{provider}/notify"
        async with aiohttp.ClientSession() as nobody, nobody.post(url, data=body) as answer:
            assert answer.status in (400, 401), (provider, answer.status)
    assert await shop.balance() == TRIAL


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
