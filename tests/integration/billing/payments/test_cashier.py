"""Buying: the price of the day, one order a request, and what happens when the provider is away or says no."""

import asyncio
from typing import Any

import pytest

from services.billing.errors import RequestConflictError
from services.billing.payments.cashier import Purchase
from services.billing.payments.domain import Channel, OrderState, Payer
from services.billing.payments.errors import (
    ChannelUnavailableError,
    OrderClosedError,
    OrderNotFoundError,
    PackageNotFoundError,
    PaymentRefusedError,
    PaymentUnavailableError,
    TooManyOrdersError,
)
from services.runtime.errors import InvalidRequestError
from tests.fakes.payment_provider import FakeProvider
from tests.integration.billing.payments.shop import SESSION_KEY, Shop, open_shop
from tests.ledger.books import assert_sound


async def test_a_package_costs_its_tokens_at_the_rate_of_now(shop: Shop) -> None:
    offers = {offer.package.package_id: offer for offer in await shop.cashier.offers()}
    assert [(name, offer.amount_fen) for name, offer in offers.items()] == [
        ("small", 142),
        ("medium", 1420),
        ("large", 7100),
    ]
    assert offers["small"].channels == (Channel.JSAPI, Channel.NATIVE)
    shop.rates.cny_micros_per_usd = 7_200_000
    order = await shop.buy("medium")
    assert (order.amount_fen, order.tokens, order.description) == (1440, 1_000_000, "标准包 100 万词元")


async def test_tokens_cost_what_a_package_of_as_many_does(shop: Shop) -> None:
    order = await shop.buy("", tokens=1_234_567)
    # 1,234,567 × $2 × ¥7.10 / 10⁶ is ¥17.5308514.
    assert (order.amount_fen, order.tokens, order.package_id) == (1753, 1_234_567, "")


async def test_a_new_order_waits_for_its_payment_and_moves_no_money(shop: Shop) -> None:
    order = await shop.buy()
    assert order.state is OrderState.PAYING
    assert order.parameters["package"].startswith("prepay_id=")
    assert order == await shop.read(order)
    assert shop.provider.payers == ["openid-of-u"]
    assert await shop.wallet() == (0, 0)


async def test_the_same_request_again_is_answered_with_the_same_order(shop: Shop) -> None:
    first = await shop.buy(request_id="r")
    shop.rates.cny_micros_per_usd = 9_000_000
    await shop.pool.execute("UPDATE packages SET active = false")
    assert await shop.buy(request_id="r") == first
    assert shop.provider.told == ["prepay"]


@pytest.mark.parametrize(
    "other", [{"package_id": "small"}, {"package_id": "", "tokens": 5_000}, {"channel": Channel.NATIVE}]
)
async def test_the_same_request_with_other_content_is_a_conflict(shop: Shop, other: dict[str, Any]) -> None:
    await shop.buy(request_id="r")
    with pytest.raises(RequestConflictError):
        await shop.buy(**{"request_id": "r"} | other)
    assert len((await shop.books()).orders) == 1


async def test_two_users_may_choose_the_same_request_id(shop: Shop) -> None:
    one, other = await shop.buy(request_id="r"), await shop.buy(request_id="r", user_id="v")
    assert one.out_trade_no != other.out_trade_no


async def test_concurrent_duplicates_make_one_order_with_one_answer(
    shop: Shop, provider: FakeProvider, database_url: str
) -> None:
    async with open_shop(database_url, provider) as other:
        bought = await asyncio.gather(*(one.buy(request_id="r") for one in [shop, other] * 10))
    assert all(order == bought[0] for order in bought)
    assert bought[0].state is OrderState.PAYING
    assert list(provider.orders) == [bought[0].out_trade_no]


async def test_an_order_that_the_provider_did_not_hear_of_stays_and_the_same_request_goes_on(shop: Shop) -> None:
    shop.provider.is_away = True
    with pytest.raises(PaymentUnavailableError):
        await shop.buy(request_id="r")
    (waiting,) = (await shop.books()).orders.values()
    assert waiting.state is OrderState.CREATED
    shop.provider.is_away = False
    order = await shop.buy(request_id="r")
    assert (order.out_trade_no, order.state) == (waiting.out_trade_no, OrderState.PAYING)


async def test_an_announcement_whose_answer_was_lost_is_repeated(shop: Shop) -> None:
    shop.provider.loses_answers = True
    with pytest.raises(PaymentUnavailableError):
        await shop.buy(request_id="r")
    shop.provider.loses_answers = False
    order = await shop.buy(request_id="r")
    assert (order.state, list(shop.provider.orders)) == (OrderState.PAYING, [order.out_trade_no])


async def test_an_order_that_the_provider_refuses_is_closed(shop: Shop) -> None:
    shop.provider.refuses = True
    with pytest.raises(PaymentRefusedError):
        await shop.buy(request_id="r")
    shop.provider.refuses = False
    with pytest.raises(OrderClosedError):
        await shop.buy(request_id="r")
    assert [order.state for order in (await shop.books()).orders.values()] == [OrderState.CLOSED]


async def test_a_refused_duplicate_does_not_close_the_order_that_was_announced(shop: Shop) -> None:
    shop.provider.slow_s = 0.05
    first = asyncio.create_task(shop.buy(request_id="r"))
    await asyncio.sleep(0.02)
    # It reads the order as created, and is refused after the other has announced it.
    shop.provider.slow_s = 0.1
    second = asyncio.create_task(shop.buy(request_id="r"))
    announced = await first
    shop.provider.refuses = True
    assert await second == announced
    assert (await shop.read(announced)).state is OrderState.PAYING


async def test_ten_orders_may_wait_and_no_more_however_many_come_at_once(shop: Shop) -> None:
    outcomes = await asyncio.gather(*(shop.buy() for _ in range(25)), return_exceptions=True)
    assert sum(isinstance(outcome, TooManyOrdersError) for outcome in outcomes) == 15
    first = next(outcome for outcome in outcomes if not isinstance(outcome, BaseException))
    await shop.notify(shop.provider.pay(first))
    await shop.buy()
    with pytest.raises(TooManyOrdersError) as caught:
        await shop.buy()
    assert (caught.value.metadata, caught.value.retry_after_s) == ({"limit": "10"}, 60)
    await shop.buy(user_id="v")


async def test_whoever_has_too_many_orders_still_reads_the_ones_they_have(shop: Shop) -> None:
    orders = [await shop.buy(request_id=f"r{n}") for n in range(10)]
    assert await shop.buy(request_id="r3") == orders[3]


@pytest.mark.parametrize("package_id", ["none", "custom"])
async def test_what_is_not_for_sale_cannot_be_bought(shop: Shop, package_id: str) -> None:
    with pytest.raises(PackageNotFoundError):
        await shop.buy(package_id)


@pytest.mark.parametrize(
    ("channel", "payer", "field"),
    [
        (Channel.JSAPI, Payer("", SESSION_KEY), "payer.openid"),
        (Channel.VIRTUAL, Payer("", SESSION_KEY), "payer.openid"),
        (Channel.VIRTUAL, Payer("openid-of-u"), "payer.session_key"),
    ],
)
async def test_a_channel_that_needs_to_know_the_payer_says_so_and_makes_no_order(
    database_url: str, channel: Channel, payer: Payer, field: str
) -> None:
    async with open_shop(database_url, FakeProvider(channels=frozenset(Channel))) as shop:
        with pytest.raises(InvalidRequestError) as caught:
            await shop.buy(channel=channel, payer=payer)
        assert list(caught.value.fields) == [field]
        assert (await shop.books()).orders == {}


async def test_a_code_to_scan_needs_no_payer(shop: Shop) -> None:
    order = await shop.buy(channel=Channel.NATIVE, payer=Payer(client_ip="::1"))
    assert order.state is OrderState.PAYING


async def test_virtual_payment_sells_registered_products_at_their_registered_price(database_url: str) -> None:
    async with open_shop(database_url, FakeProvider(channels=frozenset(Channel))) as shop:
        order = await shop.buy("medium", channel=Channel.VIRTUAL)
        assert (order.amount_fen, order.virtual_product_id) == (1500, "queqiao_medium")
        with pytest.raises(ChannelUnavailableError):
            await shop.buy("", tokens=5_000, channel=Channel.VIRTUAL)
        await shop.notify(shop.provider.pay(order))
        assert await shop.wallet() == (1500, 0)
        assert_sound(await shop.books())


async def test_the_session_key_reaches_the_provider_and_is_stored_nowhere(database_url: str) -> None:
    async with open_shop(database_url, FakeProvider(channels=frozenset(Channel))) as shop:
        order = await shop.buy("medium", channel=Channel.VIRTUAL)
        await shop.notify(shop.provider.pay(order))
        assert shop.provider.session_keys == [SESSION_KEY]
        tables = await shop.pool.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'billing'")
        contents = [
            str(await shop.pool.fetch(f"SELECT t::text FROM {table['name']} AS t"))  # noqa: S608  # our own tables
            for table in tables
        ]
        assert any(order.out_trade_no in content for content in contents)
        assert not any(SESSION_KEY in content for content in contents)


def test_the_session_key_is_no_part_of_how_a_payer_is_shown() -> None:
    purchase = Purchase("u", "r", Channel.VIRTUAL, Payer("o", SESSION_KEY, "::1"))
    assert SESSION_KEY not in repr(purchase)


async def test_a_channel_that_is_not_configured_is_refused(shop: Shop) -> None:
    with pytest.raises(ChannelUnavailableError) as caught:
        await shop.buy(channel=Channel.JSAPI_V2)
    assert caught.value.metadata == {"channel": "jsapi_v2"}


async def test_an_order_that_was_never_announced_cannot_be_announced_after_its_time(shop: Shop) -> None:
    shop.provider.is_away = True
    with pytest.raises(PaymentUnavailableError):
        await shop.buy(request_id="r")
    shop.provider.is_away = False
    await shop.later(901)
    with pytest.raises(OrderClosedError):
        await shop.buy(request_id="r")
    assert shop.provider.orders == {}


async def test_an_order_is_found_by_its_owner_alone(shop: Shop) -> None:
    order = await shop.buy()
    assert await shop.cashier.order("u", order.out_trade_no) == order
    for user_id, number in (("v", order.out_trade_no), ("u", "Q" + "0" * 31)):
        with pytest.raises(OrderNotFoundError):
            await shop.cashier.order(user_id, number)


async def test_whoever_just_paid_sees_it_though_the_callback_was_lost(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.pay(order)
    seen = await shop.cashier.order("u", order.out_trade_no)
    assert (seen.state, seen.parameters) == (OrderState.PAID, {})
    assert await shop.wallet() == (1420, 0)


async def test_a_reader_who_asks_again_and_again_asks_the_provider_every_two_seconds_at_most(shop: Shop) -> None:
    order = await shop.buy()
    await asyncio.gather(*(shop.cashier.order("u", order.out_trade_no) for _ in range(10)))
    assert shop.provider.told.count("query") == 1
    await shop.later(2)
    await shop.cashier.order("u", order.out_trade_no)
    assert shop.provider.told.count("query") == 2


async def test_a_reader_gets_what_we_know_when_the_provider_is_away(shop: Shop) -> None:
    order = await shop.buy()
    shop.provider.is_away = True
    assert await shop.cashier.order("u", order.out_trade_no) == order
