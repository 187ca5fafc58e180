"""Virtual payment against the stand-in, through the network."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.billing.payments.domain import Channel, Payer, RefundProgress, TradeState
from services.billing.payments.errors import CallbackRefusedError, PaymentRefusedError, PaymentUnavailableError
from services.billing.payments.providers.platform_client import VirtualPaymentSettings
from services.billing.payments.providers.virtual_payment import VirtualPayment
from tests.fakes.callbacks import Callbacks, Reply
from tests.fakes.payment_stand_in import APPID, SECRET, StandIn, a_refund, an_order, callback, stand_in


@pytest.fixture(scope="module")
async def wechat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path_factory.mktemp("pay")) as running:
        yield running


@pytest.fixture
async def callbacks(wechat: StandIn) -> AsyncIterator[Callbacks]:
    async with Callbacks(Reply(200, b'{"ErrCode":0,"ErrMsg":"success"}')) as listening:
        await wechat.set(message_push_url=listening.url)
        yield listening


@pytest.fixture
async def payer(wechat: StandIn) -> Payer:
    return await wechat.log_in("code-of-a-user")


@pytest.fixture
async def virtual(wechat: StandIn) -> AsyncIterator[VirtualPayment]:
    account = VirtualPaymentSettings(
        base_url=wechat.url,
        appid=APPID,
        offer_id=wechat.merchant.offer_id,
        secret=SECRET,
        app_key=wechat.merchant.app_key,
        message_token=wechat.merchant.message_token,
    )
    async with VirtualPayment(account) as provider:
        yield provider


async def test_an_order_is_paid_told_found_and_refunded(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment
) -> None:
    order = an_order(Channel.VIRTUAL, payer=payer)
    arguments = await virtual.prepay(order, datetime.now(UTC))
    assert (await virtual.query(order)).state is TradeState.UNKNOWN

    assert await wechat.buy(payer.openid, arguments) == {"errMsg": "requestVirtualPayment:ok", "errCode": 0}
    notice = await virtual.read(callback(await callbacks.next()), datetime.now(UTC))
    assert notice.trade is not None
    assert notice.trade.out_trade_no == order.out_trade_no
    assert notice.confirm
    trade = await virtual.query(order)
    assert (trade.state, trade.amount_fen, trade.currency) == (TradeState.PAID, 1000, "CNY")
    assert (trade.openid, trade.channel) == (payer.openid, Channel.VIRTUAL)
    assert trade.transaction_id

    refund = a_refund(order, 300)
    assert (await virtual.query_refund(order, refund)).progress is RefundProgress.UNKNOWN
    assert (await virtual.refund(order, refund)).progress is RefundProgress.PROCESSING
    told = await virtual.read(callback(await callbacks.next()), datetime.now(UTC))
    assert told.refund is not None
    assert told.refund.out_refund_no == refund.out_refund_no
    assert told.confirm
    assert (await virtual.query_refund(order, refund)).progress is RefundProgress.DONE
    assert (await virtual.query(order)).state is TradeState.REFUNDED


async def test_refunds_of_one_order_come_one_after_the_other(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment
) -> None:
    order = an_order(Channel.VIRTUAL, payer=payer)
    first, second = a_refund(order, 300), a_refund(order, 200)
    await wechat.buy(payer.openid, await virtual.prepay(order, datetime.now(UTC)))
    await virtual.refund(order, first)
    await virtual.refund(order, first)
    with pytest.raises(PaymentUnavailableError):
        await virtual.refund(order, second)
    booked = replace(order, refunded_fen=300)
    await virtual.refund(booked, second)
    assert (await virtual.query_refund(booked, second)).progress is RefundProgress.DONE


async def test_a_refund_under_way_is_processing_and_one_that_failed_abnormal(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment
) -> None:
    order = an_order(Channel.VIRTUAL, payer=payer)
    refund = a_refund(order, 1000)
    await wechat.buy(payer.openid, await virtual.prepay(order, datetime.now(UTC)))
    await callbacks.next()
    await wechat.set(refund_ends="abnormal", refund_after_s=0.5)
    try:
        await virtual.refund(order, refund)
        assert (await virtual.query_refund(order, refund)).progress is RefundProgress.PROCESSING
        await callbacks.next()
    finally:
        await wechat.set(refund_ends="at_once")
    assert (await virtual.query_refund(order, refund)).progress is RefundProgress.ABNORMAL


async def test_a_paid_order_cannot_be_closed(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment
) -> None:
    order = an_order(Channel.VIRTUAL, payer=payer)
    arguments = await virtual.prepay(order, datetime.now(UTC))
    await virtual.close(order)
    await wechat.buy(payer.openid, arguments)
    with pytest.raises(PaymentRefusedError):
        await virtual.close(order)


async def test_arguments_of_another_user_are_not_payable(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment
) -> None:
    arguments = await virtual.prepay(an_order(Channel.VIRTUAL, payer=payer), datetime.now(UTC))
    other = await wechat.log_in("code-of-another-user")
    assert (await wechat.buy(other.openid, arguments))["errCode"] == -15005


@pytest.mark.parametrize(("how", "problem"), [("forged", "unverified"), ("stale", "stale")])
async def test_a_push_that_must_not_be_believed_is_refused(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment, how: str, problem: str
) -> None:
    order = an_order(Channel.VIRTUAL, payer=payer)
    await wechat.buy(payer.openid, {**await virtual.prepay(order, datetime.now(UTC)), "how": how})
    with pytest.raises(CallbackRefusedError, match=f"^{problem}$"):
        await virtual.read(callback(await callbacks.next()), datetime.now(UTC))


@pytest.mark.parametrize("fault", ["system_error", "frequency_limited"])
async def test_a_failing_platform_is_unavailable(
    wechat: StandIn, callbacks: Callbacks, payer: Payer, virtual: VirtualPayment, fault: str
) -> None:
    order = an_order(Channel.VIRTUAL, payer=payer)
    await wechat.buy(payer.openid, await virtual.prepay(order, datetime.now(UTC)))
    await virtual.query(order)
    await wechat.set(api_faults=[fault])
    with pytest.raises(PaymentUnavailableError):
        await virtual.query(order)
    assert (await virtual.query(order)).state is TradeState.PAID
