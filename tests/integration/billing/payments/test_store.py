"""What PostgreSQL adds to payments: plans, locks, constraints, order."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.billing.payments import sql
from services.billing.payments.domain import Channel, Order, OrderState
from services.runtime.errors import UnavailableError
from tests.fakes.payment_provider import FakeProvider
from tests.integration.billing.payments.shop import Shop, open_shop

JSAPI = [Channel.JSAPI]


@pytest.mark.parametrize(
    "name",
    [
        "LOCK_ORDERS",
        "REFUNDS",
        "WRITE_ORDERS",
        "WRITE_REFUNDS",
        "ADD_ORDER",
        "ORDER_OF_REQUEST",
        "ORDER_OF_TRANSACTION",
        "ORDER",
        "ANNOUNCED",
        "CLOSED",
        "CLAIM_ORDER",
        "CLAIM_DUE_ORDERS",
        "REFUND",
        "CLAIM_DUE_REFUNDS",
        "CALLBACK_SEEN",
        "REMEMBER_CALLBACK",
        "FORGET_CALLBACKS",
        "ADD_INCIDENT",
        "INCIDENT_SEEN",
        "PAID_ON",
        "PUT_RECONCILIATION",
        "RECONCILED",
    ],
)
async def test_every_look_up_uses_an_index_once_the_tables_have_grown(shop: Shop, name: str) -> None:
    text = getattr(sql, name)
    parameters = ", ".join(["NULL"] * max(n for n in range(1, 60) if re.search(rf"\${n}\b", text)))
    async with shop.pool.acquire() as connection:
        # A scan that is not needed is dear from some size on: what still scans cannot use an index.
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        await connection.execute(f"PREPARE planned AS {text}")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE planned({parameters})"))
    assert "Seq Scan" not in plan, plan


async def test_an_order_is_read_back_as_it_was_written(shop: Shop) -> None:
    order = await shop.buy(request_id="r")
    assert await shop.store.order(order.out_trade_no) == order
    assert await shop.store.order_of_request("u", "r") == order
    assert await shop.store.order_of_request("v", "r") is None
    assert await shop.store.order_of_transaction("") is None
    paid = await shop.topped_up()
    assert await shop.store.order_of_transaction(paid.transaction_id) == paid


async def test_an_order_is_asked_about_less_and_less_often_and_when_it_expires(database_url: str) -> None:
    async with open_shop(database_url, FakeProvider(), order_ttl_s=20_000) as shop:
        order = await shop.buy()
        asked_after_s, now = [], order.created_at
        for _ in range(14):
            due = await shop.pool.fetchval("SELECT next_query_at FROM orders")
            assert await shop.store.claim_due_orders(due - timedelta(microseconds=1), JSAPI, 20) == []
            assert [one.out_trade_no for one in await shop.store.claim_due_orders(due, JSAPI, 20)] == [
                order.out_trade_no
            ]
            asked_after_s.append((due - now).total_seconds())
            now = due
        assert asked_after_s[:9] == [15, 30, 60, 120, 240, 480, 960, 1920, 3600]
        assert asked_after_s[9:12] == [3600, 3600, 3600]
        # 18,225 s have gone by: the order expires at 20,000 s, and later questions are an hour apart again.
        assert sum(asked_after_s[:13]) == 20_000
        assert asked_after_s[13:] == [3600]


async def test_a_refund_is_asked_about_less_and_less_often(shop: Shop) -> None:
    refund = await shop.refund(await shop.topped_up())
    asked_after_s, now = [], refund.created_at
    for _ in range(10):
        due = await shop.pool.fetchval("SELECT next_query_at FROM refunds")
        assert await shop.store.claim_due_refunds(due - timedelta(microseconds=1), JSAPI, 20) == []
        assert len(await shop.store.claim_due_refunds(due, JSAPI, 20)) == 1
        asked_after_s.append((due - now).total_seconds())
        now = due
    assert asked_after_s == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_what_is_due_is_claimed_by_one_of_many_the_longest_waiting_first(shop: Shop) -> None:
    orders = [await shop.buy(user_id=f"u{n % 3}") for n in range(25)]
    now = datetime.now(UTC) + timedelta(seconds=15)
    first = await shop.store.claim_due_orders(now, JSAPI, 5)
    assert {one.out_trade_no for one in first} == {one.out_trade_no for one in orders[:5]}
    claims = await asyncio.gather(*(shop.store.claim_due_orders(now, JSAPI, 10) for _ in range(6)))
    claimed = [one.out_trade_no for claim in claims for one in claim]
    assert sorted(claimed) == sorted(one.out_trade_no for one in orders[5:])
    assert max(map(len, claims)) <= 10


async def test_only_one_reader_asks(shop: Shop) -> None:
    order, now = await shop.buy(), datetime.now(UTC)
    claims = [shop.store.claim_order(order.out_trade_no, now, every_s=2) for _ in range(8)]
    assert sum(await asyncio.gather(*claims)) == 1


async def test_an_order_that_is_over_is_neither_announced_nor_closed_again(shop: Shop) -> None:
    order = await shop.topped_up()
    waiting = [OrderState.CREATED, OrderState.PAYING]
    assert await shop.store.announced(order.out_trade_no, {"a": "b"}) is None
    assert await shop.store.closed(order.out_trade_no, waiting) is None
    assert (await shop.read(order)).state is OrderState.PAID


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET state = 'closed'",
        "UPDATE orders SET paid_at = NULL",
        "UPDATE orders SET refunded_fen = amount_fen + 1",
        "UPDATE orders SET refunded_fen = -1",
        "UPDATE orders SET refunded_fen = amount_fen",
        "UPDATE orders SET amount_fen = 0",
        "UPDATE refunds SET state = 'done'",
        "UPDATE refunds SET amount_fen = 0",
    ],
)
async def test_the_tables_refuse_what_the_rules_forbid(shop: Shop, statement: str) -> None:
    await shop.refund(await shop.topped_up(), 400)
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.pool.execute(statement)


@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET problem = ''"])
async def test_incidents_stay(shop: Shop, change: str) -> None:
    assert await shop.store.add_incident("p", "problem", "ORDER1", {"when": datetime.now(UTC)})
    assert not await shop.store.add_incident("p", "problem", "ORDER1", {})
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await shop.pool.execute(change.format("payment_incidents"))


async def test_a_database_that_is_away_is_said_to_be(database_url: str) -> None:
    async with open_shop(database_url, FakeProvider()) as shop:
        store = shop.store
    for work in (store.packages(), store.order("x"), store.callback_seen("p", "n"), store.refund("x")):
        with pytest.raises(UnavailableError) as caught:
            await work
        assert caught.value.retry_after_s == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_pages_of_orders_have_no_gap_and_no_repeat_though_many_were_created_at_once(
    shop: Shop, size: int
) -> None:
    made = [await shop.buy(user_id=f"u{n % 3}") for n in range(14)]
    await shop.pool.execute(
        "UPDATE orders SET created_at ="
        " date_trunc('day', created_at) - make_interval(secs => ascii(right(out_trade_no, 1)) % 3)"
    )
    for user_id in ("", "u1"):
        seen: list[Order] = []
        before = None
        while page := await shop.store.orders(user_id=user_id, state=None, before=before, limit=size):
            assert len(page) <= size
            seen += page
            before = (page[-1].created_at, page[-1].out_trade_no)
        expected = [one.out_trade_no for one in made if user_id in ("", one.user_id)]
        assert sorted(one.out_trade_no for one in seen) == sorted(expected)
        keys = [(one.created_at, one.out_trade_no) for one in seen]
        assert keys == sorted(keys, reverse=True)


async def test_orders_are_listed_by_state(shop: Shop) -> None:
    paid, waiting = await shop.topped_up(), await shop.buy()
    for state, order in ((OrderState.PAID, paid), (OrderState.PAYING, waiting)):
        assert await shop.store.orders(user_id="u", state=state, before=None, limit=10) == [order]
