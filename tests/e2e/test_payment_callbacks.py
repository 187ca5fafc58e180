"""What WeChat says of a payment: late, twice, wrongly, in the wrong order or not at all."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.mesh import Mesh
from tests.e2e.conftest import User
from tests.e2e.shop import PAID, TRIAL, Shop, open_shop

pytestmark = pytest.mark.xdist_group("mesh")


@pytest.fixture
async def shop(mesh: Mesh, user: User) -> AsyncIterator[Shop]:
    async with open_shop(mesh, user) as shop:
        yield shop


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
