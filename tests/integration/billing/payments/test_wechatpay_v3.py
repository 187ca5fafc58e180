"""WeChat Pay APIv3 against the stand-in, through the network."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.wechat.orders import BEIJING
from services.billing.payments.domain import Channel, RefundProgress, TradeState
from services.billing.payments.errors import CallbackRefusedError, PaymentRefusedError, PaymentUnavailableError
from services.billing.payments.providers.wechatpay_client import WeChatPayV3Settings
from services.billing.payments.providers.wechatpay_v3 import WeChatPayV3
from tests.fakes.callbacks import Callbacks
from tests.fakes.payment_stand_in import APPID, PAYER, StandIn, a_refund, an_order, callback, stand_in


@pytest.fixture(scope="module")
async def wechat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path_factory.mktemp("pay")) as running:
        yield running


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    async with Callbacks() as listening:
        yield listening


def settings(wechat: StandIn, callbacks: Callbacks) -> WeChatPayV3Settings:
    merchant = wechat.merchant
    return WeChatPayV3Settings(
        base_url=wechat.url,
        mchid=merchant.mchid,
        appid=APPID,
        cert_serial_no=merchant.serial_no,
        notify_url=callbacks.url,
        private_key=(merchant.folder / "merchant_key.pem").read_text(),
        apiv3_key=merchant.apiv3_key,
        public_key_id=merchant.public_key_id,
        public_key=(merchant.folder / "pub_key.pem").read_text(),
    )


@pytest.fixture(params=["public key", "certificate"])
async def wechatpay(
    request: pytest.FixtureRequest, wechat: StandIn, callbacks: Callbacks
) -> AsyncIterator[WeChatPayV3]:
    account = settings(wechat, callbacks)
    if request.param == "certificate":
        account = replace(account, public_key_id="", public_key="")
    async with WeChatPayV3(account) as provider:
        yield provider


async def test_an_order_is_paid_told_found_and_refunded(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV3
) -> None:
    order = an_order(Channel.JSAPI)
    parameters = await wechatpay.prepay(order, datetime.now(UTC))
    assert parameters.keys() == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert parameters["package"].startswith("prepay_id=wx")
    assert (await wechatpay.query(order)).state is TradeState.UNPAID

    await wechat.pay(order.out_trade_no)
    notice = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    trade = await wechatpay.query(order)
    assert notice.trade == trade
    assert not notice.confirm
    assert (trade.state, trade.amount_fen, trade.currency) == (TradeState.PAID, 1000, "CNY")
    assert (trade.openid, trade.channel) == (PAYER.openid, Channel.JSAPI)
    assert trade.paid_at is not None
    assert abs(trade.paid_at - datetime.now(UTC)) < timedelta(seconds=10)

    refund = a_refund(order, 300)
    status = await wechatpay.refund(order, refund)
    assert (status.progress, status.amount_fen) == (RefundProgress.DONE, 300)
    told = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    assert told.refund == status == await wechatpay.query_refund(order, refund)
    assert (await wechatpay.query(order)).state is TradeState.REFUNDED


async def test_a_browser_gets_a_code_that_anyone_can_scan(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV3
) -> None:
    order = an_order(Channel.NATIVE)
    assert (await wechatpay.prepay(order, datetime.now(UTC)))["code_url"].startswith("weixin://")
    await wechat.pay(order.out_trade_no)
    notice = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    assert notice.trade is not None
    assert notice.trade.channel is Channel.NATIVE


async def test_a_repeated_order_is_the_same_order(wechatpay: WeChatPayV3) -> None:
    order = an_order(Channel.JSAPI)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechatpay.prepay(order, datetime.now(UTC))
    with pytest.raises(PaymentRefusedError) as refused:
        await wechatpay.prepay(replace(order, amount_fen=1), datetime.now(UTC))
    assert refused.value.metadata["provider_code"] == "OUT_TRADE_NO_USED"


async def test_an_order_that_was_never_placed_is_unknown(wechatpay: WeChatPayV3) -> None:
    order = an_order(Channel.JSAPI)
    assert (await wechatpay.query(order)).state is TradeState.UNKNOWN
    assert (await wechatpay.query_refund(order, a_refund(order, 1))).progress is RefundProgress.UNKNOWN
    await wechatpay.close(order)


async def test_a_closed_order_cannot_be_paid_and_a_paid_one_cannot_be_closed(
    wechat: StandIn, wechatpay: WeChatPayV3
) -> None:
    closed, paid = an_order(Channel.JSAPI), an_order(Channel.JSAPI)
    for order in (closed, paid):
        await wechatpay.prepay(order, datetime.now(UTC))
    await wechatpay.close(closed)
    await wechatpay.close(closed)
    assert (await wechatpay.query(closed)).state is TradeState.CLOSED
    await wechat.pay(paid.out_trade_no)
    with pytest.raises(PaymentRefusedError):
        await wechatpay.close(paid)


async def test_more_than_was_paid_is_not_refunded(wechat: StandIn, wechatpay: WeChatPayV3) -> None:
    order = an_order(Channel.JSAPI)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    with pytest.raises(PaymentRefusedError) as refused:
        await wechatpay.refund(order, a_refund(order, 1001))
    assert refused.value.metadata["provider_code"] == "NOT_ENOUGH"


@pytest.mark.parametrize("fault", ["system_error", "frequency_limited", "unsigned", "wrongly_signed"])
async def test_an_answer_that_cannot_be_believed_is_no_answer(
    wechat: StandIn, wechatpay: WeChatPayV3, fault: str
) -> None:
    order = an_order(Channel.JSAPI)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.set(api_faults=[fault])
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.query(order)
    assert (await wechatpay.query(order)).state is TradeState.UNPAID


async def test_a_refund_whose_answer_was_lost_is_made_once(wechat: StandIn, wechatpay: WeChatPayV3) -> None:
    order = an_order(Channel.JSAPI)
    refund = a_refund(order, 600)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    await wechat.set(api_faults=["unsigned"])
    with pytest.raises(PaymentUnavailableError):
        await wechatpay.refund(order, refund)
    assert (await wechatpay.refund(order, refund)).progress is RefundProgress.DONE
    assert (await wechatpay.refund(order, a_refund(order, 400))).progress is RefundProgress.DONE


@pytest.mark.parametrize(
    ("end", "progress"),
    [
        ("success", RefundProgress.DONE),
        ("abnormal", RefundProgress.ABNORMAL),
        ("closed", RefundProgress.CLOSED),
    ],
)
async def test_how_a_refund_ends_is_told(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV3, end: str, progress: RefundProgress
) -> None:
    order = an_order(Channel.JSAPI)
    refund = a_refund(order, 1000)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    await callbacks.next()
    await wechat.set(refund_ends=end, refund_after_s=0.1)
    try:
        assert (await wechatpay.refund(order, refund)).progress is RefundProgress.PROCESSING
        told = await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))
    finally:
        await wechat.set(refund_ends="at_once")
    assert told.refund is not None
    assert (told.refund.progress, told.refund.out_refund_no) == (progress, refund.out_refund_no)
    assert await wechatpay.query_refund(order, refund) == told.refund


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("stale", "stale"),
        ("forged", "unverified"),
        ("signtest", "signtest"),
        ("unknown_serial", "serial"),
        ("wrong_key", "unverified"),
        ("other_merchant", "mchid"),
        ("other_appid", "appid"),
    ],
)
async def test_a_notice_that_must_not_be_believed_is_refused(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV3, how: str, problem: str
) -> None:
    order = an_order(Channel.JSAPI)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no, how)
    with pytest.raises(CallbackRefusedError, match=f"^{problem}$"):
        await wechatpay.read(callback(await callbacks.next()), datetime.now(UTC))


async def test_both_kinds_of_serial_are_believed_during_the_migration(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV3
) -> None:
    order = an_order(Channel.JSAPI)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no, "certificate_serial")
    received = callback(await callbacks.next())
    assert received.headers["wechatpay-serial"] == wechat.merchant.platform_serial_no
    notices = await asyncio.gather(*(wechatpay.read(received, datetime.now(UTC)) for _ in range(3)))
    assert all(notice.trade is not None for notice in notices)


async def test_a_replayed_notice_has_the_nonce_of_the_first_and_a_duplicate_another(
    wechat: StandIn, callbacks: Callbacks, wechatpay: WeChatPayV3
) -> None:
    nonces = {}
    for how in ("replayed", "duplicate"):
        order = an_order(Channel.JSAPI)
        await wechatpay.prepay(order, datetime.now(UTC))
        await wechat.pay(order.out_trade_no, how)
        received = [callback(await callbacks.next()) for _ in range(2)]
        nonces[how] = [(await wechatpay.read(one, datetime.now(UTC))).nonce for one in received]
    assert nonces["replayed"][0] == nonces["replayed"][1]
    assert nonces["duplicate"][0] != nonces["duplicate"][1]


async def test_a_bill_has_what_was_paid_and_refunded(wechat: StandIn, wechatpay: WeChatPayV3) -> None:
    order = an_order(Channel.JSAPI, amount_fen=12_345)
    refund = a_refund(order, 45)
    await wechatpay.prepay(order, datetime.now(UTC))
    await wechat.pay(order.out_trade_no)
    status = await wechatpay.refund(order, refund)
    rows = await wechatpay.bill(datetime.now(BEIJING).date())
    paid, refunded = (row for row in rows if row.out_trade_no == order.out_trade_no)
    assert (paid.amount_fen, paid.fee_fen, paid.out_refund_no, paid.refund_progress) == (12_345, 74, "", None)
    assert (refunded.amount_fen, refunded.out_refund_no) == (45, refund.out_refund_no)
    assert (refunded.refund_id, refunded.refund_progress) == (status.refund_id, RefundProgress.DONE)
    assert paid.transaction_id == refunded.transaction_id == (await wechatpay.query(order)).transaction_id


async def test_a_day_without_trade_has_an_empty_bill(wechatpay: WeChatPayV3) -> None:
    assert await wechatpay.bill(datetime.now(BEIJING).date() - timedelta(days=400)) == ()


async def test_nobody_listening_is_unavailable(wechat: StandIn, callbacks: Callbacks) -> None:
    account = replace(settings(wechat, callbacks), base_url="http://127.0.0.1:9")
    async with WeChatPayV3(account) as wechatpay:
        with pytest.raises(PaymentUnavailableError):
            await wechatpay.query(an_order(Channel.JSAPI))
