"""The watch finds lost callbacks, closes what nobody pays, shares the work, and outlives anything."""

import asyncio
from datetime import UTC, datetime, timedelta

from services.billing.payments.domain import Channel, Order, OrderState, RefundProgress, Trade, TradeState
from tests.fakes.payment_provider import ACCEPTED, FakeProvider
from tests.integration.billing.payments.shop import Shop, open_shop
from tests.integration.billing.payments.test_callbacks import database_away
from tests.ledger.books import assert_sound


class PaidWhileItIsClosed(FakeProvider):
    """The user pays between our question and our closing it."""

    async def close(self, order: Order) -> None:
        self.pay(order)
        await super().close(order)


class Broken(FakeProvider):
    """Its adapter has a bug about one order."""

    broken: str = ""

    async def query(self, order: Order) -> Trade:
        if order.out_trade_no == self.broken:
            raise KeyError("a bug")
        return await super().query(order)


async def test_a_payment_whose_callback_was_lost_is_found(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.pay(order)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.PAYING, "it was asked about too early"
    await shop.later(15)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.PAID
    assert await shop.wallet() == (1420, 0)


async def test_a_callback_that_comes_after_the_watch_found_the_payment_credits_nothing_more(shop: Shop) -> None:
    order = await shop.buy()
    callback = shop.provider.pay(order)
    await shop.later(15)
    await shop.look()
    assert await shop.notify(callback) == ACCEPTED
    assert await shop.wallet() == (1420, 0)


async def test_two_watches_share_the_work(shop: Shop, provider: FakeProvider, database_url: str) -> None:
    orders = [await shop.buy(user_id=f"u{n % 4}") for n in range(30)]
    for order in orders:
        provider.pay(order)
    await shop.later(15)
    async with open_shop(database_url, provider) as other:
        await asyncio.gather(shop.look(), other.look())
        await asyncio.gather(shop.look(), other.look())
    assert provider.told.count("query") == 30
    assert {order.state for order in (await shop.books()).orders.values()} == {OrderState.PAID}


async def test_an_unpaid_order_is_closed_at_the_provider_and_here_when_its_time_is_over(shop: Shop) -> None:
    order = await shop.buy()
    await shop.later(899)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.PAYING
    await shop.later(2)
    await shop.look()
    closed = await shop.read(order)
    assert (closed.state, closed.parameters) == (OrderState.CLOSED, {})
    assert shop.provider.trades[order.out_trade_no].state is TradeState.CLOSED
    await shop.later(3600)
    told = len(shop.provider.told)
    await shop.look()
    assert len(shop.provider.told) == told, "a closed order is asked about no more"


async def test_an_order_that_is_paid_while_it_is_closed_is_credited(database_url: str) -> None:
    async with open_shop(database_url, PaidWhileItIsClosed()) as shop:
        order = await shop.buy()
        await shop.later(901)
        await shop.look()
        assert (await shop.read(order)).state is OrderState.PAYING
        await shop.later(60)
        await shop.look()
        assert (await shop.read(order)).state is OrderState.PAID
        assert await shop.wallet() == (1420, 0)
        assert_sound(await shop.books())


async def test_an_order_that_the_provider_closed_is_closed_here(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.trades[order.out_trade_no] = Trade(order.out_trade_no, TradeState.CLOSED)
    await shop.later(15)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.CLOSED


async def test_an_order_that_was_never_announced_is_closed_here_alone(shop: Shop) -> None:
    shop.provider.is_away = True
    await asyncio.gather(shop.buy(), return_exceptions=True)
    shop.provider.is_away = False
    await shop.later(901)
    await shop.look()
    assert [order.state for order in (await shop.books()).orders.values()] == [OrderState.CLOSED]
    assert "close" not in shop.provider.told


async def test_an_order_that_the_provider_knows_though_its_answer_was_lost_is_closed_there(shop: Shop) -> None:
    shop.provider.loses_answers = True
    await asyncio.gather(shop.buy(), return_exceptions=True)
    shop.provider.loses_answers = False
    await shop.later(901)
    await shop.look()
    assert [trade.state for trade in shop.provider.trades.values()] == [TradeState.CLOSED]
    assert [order.state for order in (await shop.books()).orders.values()] == [OrderState.CLOSED]


async def test_an_announced_order_that_the_provider_does_not_find_is_closed_there_too(shop: Shop) -> None:
    order = await shop.buy()
    del shop.provider.trades[order.out_trade_no]
    await shop.later(901)
    await shop.look()
    assert shop.provider.trades[order.out_trade_no].state is TradeState.CLOSED
    assert (await shop.read(order)).state is OrderState.CLOSED


async def test_an_order_that_cannot_be_closed_now_waits(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.is_away = True
    await shop.later(901)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.PAYING
    shop.provider.is_away = False
    await shop.later(3600)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.CLOSED


async def test_a_provider_that_is_slow_or_away_delays_nobody_elses_orders(database_url: str) -> None:
    slow = FakeProvider(slow_s=30, channels=frozenset({Channel.JSAPI}))
    quick = FakeProvider("quick", frozenset({Channel.NATIVE}))
    async with open_shop(database_url, slow, quick) as shop:
        slow.slow_s = 0
        for n in range(30):
            await shop.buy(user_id=f"u{n % 3}")
        slow.slow_s = 30
        order = await shop.buy(channel=Channel.NATIVE, user_id="v")
        await shop.later(15)
        watch = asyncio.create_task(shop.watch.run())
        try:
            await asyncio.sleep(0.2)
            later = await shop.buy(channel=Channel.NATIVE, user_id="v")
            quick.pay(order)
            quick.pay(later)
            await shop.later(60)
            async with asyncio.timeout(5):
                while (await shop.wallet("v"))[0] != 2840:
                    await asyncio.sleep(0.02)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def test_a_bug_about_one_order_does_not_touch_the_others(database_url: str) -> None:
    provider = Broken()
    async with open_shop(database_url, provider) as shop:
        broken, order = await shop.buy(), await shop.buy()
        provider.broken = broken.out_trade_no
        provider.pay(order)
        await shop.later(15)
        await shop.look()
        assert (await shop.read(order)).state is OrderState.PAID


async def test_the_watch_outlives_a_database_that_is_away(shop: Shop, postgres_url: str, database_url: str) -> None:
    order = await shop.buy()
    shop.provider.pay(order)
    await shop.later(15)
    watch = asyncio.create_task(shop.watch.run())
    try:
        async with database_away(postgres_url, database_url):
            await asyncio.sleep(0.1)
        # What was claimed when the database went away has its next turn.
        await shop.later(60)
        async with asyncio.timeout(10):
            while await shop.wallet() != (1420, 0):
                await asyncio.sleep(0.02)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def test_refunds_are_asked_about_with_the_orders(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order, 400)
    shop.provider.end_refund(refund.out_refund_no, RefundProgress.DONE)
    await shop.later(15)
    await shop.look()
    assert await shop.wallet() == (1020, 0)


async def test_old_deliveries_are_forgotten_and_new_ones_are_not(shop: Shop) -> None:
    await shop.topped_up()
    await shop.store.remember_callback("wechatpay", "old", "")
    await shop.pool.execute("UPDATE callbacks SET received_at = now() - interval '8 days' WHERE nonce = 'old'")
    await shop.watch.tidy(datetime.now(UTC))
    assert not await shop.store.callback_seen("wechatpay", "old")
    assert await shop.pool.fetchval("SELECT count(*) FROM callbacks") == 1
    await shop.watch.tidy(datetime.now(UTC) + timedelta(days=8))
    assert await shop.pool.fetchval("SELECT count(*) FROM callbacks") == 0


async def test_orders_of_a_channel_that_is_configured_no_more_are_left_alone(shop: Shop, database_url: str) -> None:
    order = await shop.buy()
    await shop.later(15)
    only_native = FakeProvider(channels=frozenset({Channel.NATIVE}))
    async with open_shop(database_url, only_native) as other:
        await other.look()
        seen = await other.cashier.order("u", order.out_trade_no)
    assert only_native.told == []
    assert seen.state is OrderState.PAYING


async def test_a_question_without_an_answer_is_asked_again_later(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.is_away = True
    await shop.later(15)
    await shop.look()
    shop.provider.is_away = False
    shop.provider.pay(order)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.PAYING
    await shop.later(31)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.PAID


async def test_a_virtual_order_is_asked_about_for_days_because_nobody_can_close_it(database_url: str) -> None:
    provider = FakeProvider("virtual-payment", frozenset({Channel.VIRTUAL}))
    async with open_shop(database_url, provider) as shop:
        order = await shop.buy(channel=Channel.VIRTUAL)
        await shop.later(2 * 86_400)
        await shop.look()
        assert (await shop.read(order)).state is OrderState.PAYING
        # Paid on a phone that kept the parameters; its callback is lost.
        shop.provider.pay(order)
        await shop.later(3_600)
        await shop.look()
        assert (await shop.read(order)).state is OrderState.PAID
        other = await shop.buy(channel=Channel.VIRTUAL)
        await shop.later(4 * 86_400)
        await shop.look()
        assert (await shop.read(other)).state is OrderState.CLOSED
