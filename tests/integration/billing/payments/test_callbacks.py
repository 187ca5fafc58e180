"""Callbacks: believed only when everything fits, credited once, answered in time, and nothing lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from services.billing.payments.domain import (
    Callback,
    Channel,
    OrderState,
    Payer,
    RefundProgress,
    RefundState,
    RefundStatus,
    Trade,
    TradeState,
)
from services.billing.payments.errors import ProviderNotFoundError
from tests.fakes.payment_provider import ACCEPTED, LATER, REFUSED, FakeProvider
from tests.integration.billing.payments.shop import Shop, open_shop
from tests.ledger.books import assert_sound

pytestmark = pytest.mark.xdist_group("clock")


@asynccontextmanager
async def database_away(postgres_url: str, database_url: str) -> AsyncIterator[None]:
    """PostgreSQL hangs up, and takes no calls."""
    name = database_url.rsplit("/", 1)[1]
    server = await asyncpg.connect(postgres_url)
    try:
        await server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        # With a timeout it waits until the backend is gone.
        await server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name)
        yield
    finally:
        await server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        await server.close()


async def test_a_payment_is_credited_to_the_fen(shop: Shop) -> None:
    order = await shop.buy()
    callback = shop.provider.pay(order)
    assert await shop.notify(callback) == ACCEPTED
    paid, trade = await shop.read(order), shop.provider.trades[order.out_trade_no]
    assert (paid.state, paid.transaction_id, paid.paid_at) == (OrderState.PAID, trade.transaction_id, trade.paid_at)
    assert await shop.wallet() == (1420, 0)
    assert shop.metric("queqiao_orders_total", channel="jsapi", event="paid") == 1
    assert shop.metric("queqiao_payment_callbacks_total", provider="wechatpay", result="accepted") == 1


async def test_a_repeated_callback_with_a_fresh_nonce_credits_once(shop: Shop) -> None:
    order = await shop.buy()
    assert await shop.notify(shop.provider.pay(order)) == ACCEPTED
    again = shop.provider.notify(trade=shop.provider.trades[order.out_trade_no])
    assert await shop.notify(again) == ACCEPTED
    assert await shop.wallet() == (1420, 0)
    assert await shop.incidents() == []


async def test_a_replayed_callback_is_known_and_changes_nothing(shop: Shop) -> None:
    callback = shop.provider.pay(await shop.buy())
    assert await shop.notify(callback) == ACCEPTED
    assert await shop.notify(callback) == ACCEPTED
    assert shop.metric("queqiao_payment_callbacks_total", provider="wechatpay", result="replayed") == 1
    assert await shop.wallet() == (1420, 0)


async def test_twenty_duplicates_at_once_at_two_processes_credit_once(
    shop: Shop, provider: FakeProvider, database_url: str
) -> None:
    order = await shop.buy()
    first = provider.pay(order)
    callbacks = [first if n % 4 else provider.notify(trade=provider.trades[order.out_trade_no]) for n in range(20)]
    async with open_shop(database_url, provider) as other:
        answers = await asyncio.gather(*((shop, other)[n % 2].notify(callback) for n, callback in enumerate(callbacks)))
        paid = [one.metric("queqiao_orders_total", channel="jsapi", event="paid") for one in (shop, other)]
    assert answers == [ACCEPTED] * 20
    assert sum(paid) == 1
    assert await shop.wallet() == (1420, 0)
    assert await shop.incidents() == []


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"amount_fen": 1}, "other_amount"),
        ({"amount_fen": 1421}, "other_amount"),
        ({"openid": "openid-of-another"}, "other_payer"),
        ({"openid": ""}, "other_payer"),
        ({"currency": "USD"}, "other_currency"),
        ({"transaction_id": ""}, "no_transaction"),
        ({"channel": Channel.NATIVE}, "other_provider"),
    ],
)
async def test_a_payment_that_does_not_fit_its_order_is_one_incident_and_no_money(
    shop: Shop, other: dict[str, Any], problem: str
) -> None:
    order = await shop.buy()
    callback = shop.provider.pay(order, **other)
    for _ in range(3):
        assert await shop.notify(callback) == REFUSED
        await shop.later(60)
        await shop.look()
    assert await shop.incidents() == [problem]
    assert shop.metric("queqiao_payment_incidents_total", provider="wechatpay", problem=problem) == 1
    assert (await shop.read(order)).state is OrderState.PAYING
    assert await shop.wallet() == (0, 0)


async def test_whoever_scans_a_code_may_pay_it(shop: Shop) -> None:
    order = await shop.buy(channel=Channel.NATIVE, payer=Payer())
    assert await shop.notify(shop.provider.pay(order, openid="anybody")) == ACCEPTED
    assert await shop.wallet() == (1420, 0)


async def test_a_provider_cannot_say_anything_of_another_ones_order(database_url: str) -> None:
    ours, theirs = FakeProvider(), FakeProvider("other", frozenset({Channel.JSAPI_V2}))
    async with open_shop(database_url, ours, theirs) as shop:
        order = await shop.topped_up()
        refund = await shop.refund(order, 100)
        waiting = await shop.buy()
        paid = replace(ours.trades[order.out_trade_no], out_trade_no=waiting.out_trade_no, channel=None)
        assert await shop.notify(theirs.notify(trade=paid), "other") == REFUSED
        done = replace(ours.refunds[refund.out_refund_no], progress=RefundProgress.DONE)
        assert await shop.notify(theirs.notify(refund=done), "other") == REFUSED
        assert await shop.incidents() == ["other_provider", "other_provider"]
        assert await shop.wallet() == (1420, 100)
        assert_sound(await shop.books())


async def test_a_payment_of_an_unknown_order_is_an_incident(shop: Shop) -> None:
    stranger = Trade("STRANGER01", TradeState.PAID, 100, "CNY", "T1", "o")
    for _ in range(2):
        assert await shop.notify(shop.provider.notify(trade=stranger)) == REFUSED
    assert await shop.incidents() == ["unknown_order"]


async def test_a_payment_of_an_order_that_was_closed_meanwhile_is_credited(shop: Shop) -> None:
    order = await shop.buy()
    await shop.later(901)
    await shop.look()
    assert (await shop.read(order)).state is OrderState.CLOSED
    assert await shop.notify(shop.provider.pay(order)) == ACCEPTED
    assert (await shop.read(order)).state is OrderState.PAID
    assert await shop.wallet() == (1420, 0)


async def test_a_second_payment_of_an_order_is_an_incident_and_no_second_credit(shop: Shop) -> None:
    order = await shop.topped_up()
    again = shop.provider.pay(order)
    for callback in (again, again, shop.provider.pay(order)):
        assert await shop.notify(callback) == REFUSED
    # One for each payment, however often it is told.
    assert await shop.incidents() == ["paid_twice", "paid_twice"]
    assert await shop.wallet() == (1420, 0)


async def test_one_payment_pays_one_order(shop: Shop) -> None:
    first, second = await shop.topped_up(), await shop.buy()
    callback = shop.provider.pay(second, transaction_id=first.transaction_id)
    assert await shop.notify(callback) == REFUSED
    assert await shop.incidents() == ["other_order"]
    assert await shop.wallet() == (1420, 0)


async def test_one_payment_pays_one_order_also_when_both_are_told_at_once(
    shop: Shop, provider: FakeProvider, database_url: str
) -> None:
    orders = [await shop.buy(), await shop.buy(user_id="v")]
    callbacks = [provider.pay(order, transaction_id="T-of-both") for order in orders]
    async with open_shop(database_url, provider) as other:
        await asyncio.gather(shop.notify(callbacks[0]), other.notify(callbacks[1]))
    for callback in callbacks:
        await shop.notify(callback)
    assert await shop.incidents() == ["other_order"]
    assert sorted([await shop.wallet("u"), await shop.wallet("v")]) == [(0, 0), (1420, 0)]


async def test_a_refund_that_we_know_nothing_of_blocks_the_credit_that_comes_after_it(shop: Shop) -> None:
    order = await shop.buy()
    paid = shop.provider.pay(order)
    elsewhere = RefundStatus("DESK0001", RefundProgress.DONE, order.out_trade_no, "F1", 1420)
    assert await shop.notify(shop.provider.notify(refund=elsewhere)) == REFUSED
    for _ in range(2):
        assert await shop.notify(paid) == REFUSED
    assert await shop.incidents() == ["refunded_elsewhere"]
    assert await shop.wallet() == (0, 0)


async def test_a_refund_that_we_know_nothing_of_after_the_credit_is_an_incident_and_repeats_stay_accepted(
    shop: Shop,
) -> None:
    order = await shop.topped_up()
    elsewhere = RefundStatus("DESK0001", RefundProgress.DONE, order.out_trade_no, "F1", 1420)
    assert await shop.notify(shop.provider.notify(refund=elsewhere)) == REFUSED
    again = shop.provider.notify(trade=shop.provider.trades[order.out_trade_no])
    assert await shop.notify(again) == ACCEPTED
    assert await shop.incidents() == ["refunded_elsewhere"]
    assert await shop.wallet() == (1420, 0)


async def test_an_order_that_was_paid_and_refunded_before_we_knew_is_not_credited(shop: Shop) -> None:
    order = await shop.buy()
    callback = shop.provider.pay(order, state=TradeState.REFUNDED)
    assert await shop.notify(callback) == REFUSED
    assert await shop.incidents() == ["refunded_elsewhere"]
    assert await shop.wallet() == (0, 0)


async def test_a_hint_is_confirmed_by_asking_the_provider(shop: Shop) -> None:
    order = await shop.buy()
    lie = Trade(order.out_trade_no, TradeState.PAID, 1420, "CNY", "T-forged", "openid-of-u")
    hint = shop.provider.notify(trade=lie, confirm=True)
    # What the provider's own books do not say yet must come again, and is not taken for a replay when it does.
    assert await shop.notify(hint) == LATER
    assert await shop.wallet() == (0, 0)
    shop.provider.pay(order)
    assert await shop.notify(hint) == ACCEPTED
    assert await shop.wallet() == (1420, 0)
    assert (await shop.read(order)).transaction_id == shop.provider.trades[order.out_trade_no].transaction_id


async def test_a_hint_about_a_refund_is_confirmed_by_asking_the_provider(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order, 420)
    hint = RefundStatus(refund.out_refund_no, RefundProgress.DONE, order.out_trade_no)
    assert await shop.notify(shop.provider.notify(refund=hint, confirm=True)) == LATER
    assert (await shop.read_refund(refund)).state is RefundState.HELD
    shop.provider.end_refund(refund.out_refund_no, RefundProgress.DONE)
    assert await shop.notify(shop.provider.notify(refund=hint, confirm=True)) == ACCEPTED
    assert (await shop.read_refund(refund)).state is RefundState.DONE


async def test_an_unconfirmed_hint_about_a_strange_refund_bars_no_payment(shop: Shop) -> None:
    """A hint's signature does not cover its body: whoever caught one can say anything with it."""
    order = await shop.buy()
    strange = RefundStatus("RSTRANGE01", RefundProgress.DONE, order.out_trade_no)
    assert await shop.notify(shop.provider.notify(refund=strange, confirm=True)) == LATER
    nobodys = RefundStatus("RSTRANGE02", RefundProgress.DONE, "QNOBODYS01")
    assert await shop.notify(shop.provider.notify(refund=nobodys, confirm=True)) == REFUSED
    unknown = Trade("QNOBODYS02", TradeState.UNKNOWN)
    assert await shop.notify(shop.provider.notify(trade=unknown, confirm=True)) == REFUSED
    assert await shop.incidents() == []
    assert await shop.notify(shop.provider.pay(order)) == ACCEPTED
    assert await shop.wallet() == (1420, 0)


async def test_a_hint_that_cannot_be_confirmed_now_comes_again(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.pay(order)
    hint = shop.provider.notify(trade=Trade(order.out_trade_no, TradeState.UNKNOWN), confirm=True)
    shop.provider.is_away = True
    assert await shop.notify(hint) == LATER
    shop.provider.is_away = False
    assert await shop.notify(hint) == ACCEPTED
    assert await shop.wallet() == (1420, 0)


async def test_a_callback_while_the_database_is_away_comes_again_and_nothing_is_lost(
    shop: Shop, postgres_url: str, database_url: str
) -> None:
    callback = shop.provider.pay(await shop.buy())
    async with database_away(postgres_url, database_url):
        assert await shop.notify(callback) == LATER
    async with asyncio.timeout(10):
        # It comes again and again; connections that hung up are found out one by one.
        while (answer := await shop.notify(callback)) == LATER:
            await asyncio.sleep(0.05)
    assert answer == ACCEPTED
    assert await shop.wallet() == (1420, 0)


async def test_a_provider_that_is_slow_to_confirm_does_not_keep_the_callback_waiting(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.pay(order)
    shop.provider.slow_s = 5
    began = time.monotonic()
    hint = shop.provider.notify(trade=Trade(order.out_trade_no, TradeState.UNKNOWN), confirm=True)
    assert await shop.notify(hint) == LATER
    assert 3 < time.monotonic() - began < 4.5
    assert await shop.wallet() == (0, 0)


async def test_a_callback_that_is_not_genuine_is_refused_and_leaves_no_trace(shop: Shop) -> None:
    genuine = shop.provider.pay(await shop.buy())
    assert await shop.notify(Callback({}, {}, genuine.body)) == REFUSED
    assert shop.metric("queqiao_payment_callbacks_total", provider="wechatpay", result="signature") == 1
    assert await shop.incidents() == []
    assert await shop.wallet() == (0, 0)
    assert await shop.notify(genuine) == ACCEPTED


async def test_a_callback_about_nothing_of_ours_is_accepted(shop: Shop) -> None:
    assert await shop.notify(shop.provider.notify()) == ACCEPTED


async def test_an_address_without_a_provider_is_not_found(shop: Shop) -> None:
    with pytest.raises(ProviderNotFoundError):
        await shop.notify(shop.provider.notify(), "nobody")


async def test_the_watch_the_reader_and_the_callback_at_once_credit_once(shop: Shop) -> None:
    order = await shop.buy()
    await shop.later(20)
    callback = shop.provider.pay(order)
    await asyncio.gather(shop.look(), shop.cashier.order("u", order.out_trade_no), shop.notify(callback))
    assert await shop.wallet() == (1420, 0)
    assert await shop.incidents() == []
