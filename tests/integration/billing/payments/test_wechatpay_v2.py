"""WeChat Pay v2 against the stand-in, through the network."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.wechat.orders import BEIJING
from services.billing.payments.domain import Channel, RefundProgress, TradeState
from services.billing.payments.errors import CallbackRefusedError, PaymentRefusedError, PaymentUnavailableError
from services.billing.payments.providers.wechatpay_v2 import WeChatPayV2
from services.billing.payments.providers.wechatpay_v2_client import WeChatPayV2Settings
from tests.fakes.callbacks import Callbacks, Reply
from tests.fakes.payment_stand_in import APPID, PAYER, StandIn, a_refund, an_order, callback, stand_in


@pytest.fixture(scope="module")
async def wechat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path_factory.mktemp("pay")) as running:
        yield running


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    accepted = b"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"
    async with Callbacks(Reply(200, accepted)) as listening:
        yield listening


def settings(wechat: StandIn, callbacks: Callbacks) -> WeChatPayV2Settings:
    return WeChatPayV2Settings(
        base_url=wechat.url,
        mchid=wechat.merchant.mchid,
        appid=APPID,
        notify_url=callbacks.url,
        api_key=wechat.merchant.v2_key,
    )


@pytest.fixture(params=["MD5", "HMAC-SHA256"])
async def wechatpay(
    request: pytest.FixtureRequest, wechat: StandIn, callbacks: Callbacks
) -> AsyncIterator[WeChatPayV2]:
    async with WeChatPayV2(replace(settings(wechat, callbacks), sign_type=request.param)) as provider:
        yield provider


async def test_an_order_is_paid_told_found_and_refunded(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV2
) -> None:
    order = an_order(Channel.JSAPI_V2)
    parameters = await wechatpay.prepay(order, datetime.now(UTC))
    assert parameters["package"].startswith("prepay_id=wx")
    assert (await wechatpay.query(order)).state is TradeState.UNPAID

    await wechat.pay(order.out_trade_no)
    notice = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    trade = await wechatpay.query(order)
    assert notice.trade == trade
    assert (trade.state, trade.amount_fen, trade.currency) == (TradeState.PAID, 1000, "CNY")
    assert (trade.openid, trade.channel) == (PAYER.openid, Channel.JSAPI_V2)
    assert trade.paid_at is not None
    assert abs(trade.paid_at - datetime.now(UTC)) < timedelta(seconds=10)

    refund = a_refund(order, 300)
    assert (await wechatpay.refund(order, refund)).progress is RefundProgress.PROCESSING
    status = await wechatpay.query_refund(order, refund)
    assert (status.progress, status.amount_fen) == (RefundProgress.DONE, 300)
    told = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    assert told.refund == status
    assert told.confirm
    assert (await wechatpay.query(order)).state is TradeState.REFUNDED


async def test_an_order_that_was_never_placed_is_unknown(wechatpay: WeChatPayV2) -> None:
    order = an_order(Channel.JSAPI_V2)
    assert (await wechatpay.query(order)).state is TradeState.UNKNOWN
    assert (await wechatpay.query_refund(order, a_refund(order, 1))).progress is RefundProgress.UNKNOWN
    await wechatpay.close(order)


async def test_a_closed_order_cannot_be_paid_and_a_paid_one_cannot_be_closed(
    wechat: StandIn, wechatpay: WeChatPayV2
) -> None:
    closed, paid = an_order(Channel.JSAPI_V2), an_order(Channel.JSAPI_V2)
    for order in (closed, paid):
        await wechatpay.prepay(order, datetime.now(UTC))
    await wechatpay.close(closed)
    await wechatpay.close(closed)
    assert (await wechatpay.query(closed)).state is TradeState.CLOSED
    await wechat.pay(paid.out_trade_no)
    with pytest.raises(PaymentRefusedError) as refused:
        await wechatpay.close(paid)
    assert refused.value.metadata["provider_code"] == "ORDERPAID"


@pytest.mark.parametrize("fault", ["system_error", "frequency_limited", "unsigned", "wrongly_signed"])
async def test_an_answer_that_cannot_be_believed_is_no_answer(
    wechat: StandIn, wechatpay: WeChatPayV2, fault: str
) -> None:
    order = an_order(Channel.JSAPI_V2)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.set(api_faults=[fault])
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.query(order)
    assert (await wechatpay.query(order)).state is TradeState.UNPAID


async def test_a_refund_whose_answer_was_lost_is_made_once(wechat: StandIn, wechatpay: WeChatPayV2) -> None:
    order = an_order(Channel.JSAPI_V2)
    refund = a_refund(order, 600)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    await wechat.set(api_faults=["unsigned"])
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.refund(order, refund)
    await wechatpay.refund(order, refund)
    await wechatpay.refund(order, a_refund(order, 400))
    with pytest.raises(PaymentRefusedError):
        await wechatpay.refund(order, a_refund(order, 1))


async def test_an_abnormal_refund_is_told(wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV2) -> None:
    order = an_order(Channel.JSAPI_V2)
    refund = a_refund(order, 1000)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    await callbacks.next()
    await wechat.set(refund_ends="abnormal", refund_after_s=0.1)
    try:
        await wechatpay.refund(order, refund)
        told = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    finally:
        await wechat.set(refund_ends="at_once")
    assert told.refund is not None
    assert told.refund.progress is RefundProgress.ABNORMAL
    assert await wechatpay.query_refund(order, refund) == told.refund


@pytest.mark.parametrize(
    ("how", "problem"), [("forged", "signature"), ("other_merchant", "mchid"), ("other_appid", "appid")]
)
async def test_a_notice_that_must_not_be_believed_is_refused(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV2, how: str, problem: str
) -> None:
    order = an_order(Channel.JSAPI_V2)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no, how)
    with pytest.raises(CallbackRefusedError, match=f"^{problem}$"):
        await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))


async def test_a_replayed_notice_has_the_nonce_of_the_first_and_a_duplicate_another(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV2
) -> None:
    nonces = {}
    for how in ("replayed", "duplicate"):
        order = an_order(Channel.JSAPI_V2)
        await wechatpay.prepay(order, datetime.now(UTC))
        await wechat.pay(order.out_trade_no, how)
        received = [callback(await callbacks.next()) for _ in range(2)]
        nonces[how] = [(await wechatpay.read(one, datetime.now(UTC))).nonce for one in received]
    assert nonces["replayed"][0] == nonces["replayed"][1]
    assert nonces["duplicate"][0] != nonces["duplicate"][1]


async def test_a_bill_has_what_was_paid_and_refunded(wechat: StandIn, wechatpay: WeChatPayV2) -> None:
    order = an_order(Channel.JSAPI_V2, amount_fen=12_345)
    refund = a_refund(order, 45)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    await wechatpay.refund(order, refund)
    rows = await wechatpay.bill(datetime.now(BEIJING).date())
    paid, refunded = (row for row in rows if row.out_trade_no == order.out_trade_no)
    assert (paid.amount_fen, paid.out_refund_no) == (12_345, "")
    assert (refunded.amount_fen, refunded.out_refund_no) == (45, refund.out_refund_no)


async def test_a_day_without_trade_has_an_empty_bill(wechatpay: WeChatPayV2) -> None:
    assert await wechatpay.bill(datetime.now(BEIJING).date() - timedelta(days=400)) == ()


async def test_nobody_listening_is_unavailable(wechat: StandIn, callbacks: Callbacks) -> None:
    async with WeChatPayV2(replace(settings(wechat, callbacks), base_url="http://127.0.0.1:9")) as wechatpay:
        with pytest.raises(PaymentUnavailableError):
            await wechatpay.query(an_order(Channel.JSAPI_V2))
