"""A day compared with its bill: every difference is reported and kept, and yesterday's is compared by itself."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.billing.payments.domain import Channel, RefundProgress, RefundState
from services.billing.payments.errors import PaymentUnavailableError
from services.billing.payments.reconciliation import DifferenceKind, Report, Side, day_of
from tests.fakes.payment_provider import FakeProvider
from tests.integration.billing.payments.shop import Shop, open_shop

# Midnight in China, and as far from it as can be.
MIDNIGHT = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
NOON = MIDNIGHT - timedelta(hours=12)


async def compared(shop: Shop, day: date) -> Report:
    report = await shop.reconciler.run(shop.provider, day)
    assert report is not None
    return report


def kinds(report: Report) -> list[DifferenceKind]:
    return [difference.kind for difference in report.differences]


async def stored(shop: Shop, day: date) -> Any:
    return json.loads(await shop.pool.fetchval("SELECT report FROM reconciliations WHERE day = $1", day))


async def test_a_day_that_agrees_has_no_difference(shop: Shop) -> None:
    shop.provider.refunds_become = RefundProgress.DONE
    order = await shop.topped_up()
    await shop.topped_up("small")
    await shop.refund(order, 400)
    report = await compared(shop, day_of(datetime.now(UTC)))
    side = Side(payments=2, paid_fen=1562, refunds=1, refunded_fen=400)
    assert report == Report(side, side, ())
    assert shop.metric("queqiao_reconciliation_differences", provider="wechatpay") == 0


@pytest.mark.parametrize(
    ("paid_at", "day"),
    [
        (MIDNIGHT - timedelta(microseconds=1), FIRST),
        (MIDNIGHT, SECOND),
        (MIDNIGHT + timedelta(days=1, microseconds=-1), SECOND),
    ],
)
async def test_a_day_begins_and_ends_at_midnight_in_china(shop: Shop, paid_at: datetime, day: date) -> None:
    await shop.topped_up(paid_at=paid_at)
    for one in (FIRST, SECOND, date(2026, 3, 3)):
        report = await compared(shop, one)
        assert (report.bill, report.differences) == (report.books, ())
        assert report.books.payments == (one == day)


async def test_every_difference_is_reported(shop: Shop) -> None:
    missing_in_books = await shop.buy()
    shop.provider.pay(missing_in_books, paid_at=NOON)
    missing_in_bill = await shop.topped_up(paid_at=NOON)
    del shop.provider.trades[missing_in_bill.out_trade_no]
    other_amount = await shop.topped_up(paid_at=NOON)
    shop.provider.pay(other_amount, paid_at=NOON, amount_fen=1421, transaction_id=other_amount.transaction_id)
    other_payment = await shop.topped_up(paid_at=NOON)
    shop.provider.pay(other_payment, paid_at=NOON)
    report = await compared(shop, FIRST)
    found = {one.out_trade_no: (one.kind, one.bill_fen, one.book_fen) for one in report.differences}
    assert found == {
        missing_in_books.out_trade_no: (DifferenceKind.MISSING_IN_BOOKS, 1420, 0),
        missing_in_bill.out_trade_no: (DifferenceKind.MISSING_IN_BILL, 0, 1420),
        other_amount.out_trade_no: (DifferenceKind.AMOUNT, 1421, 1420),
        other_payment.out_trade_no: (DifferenceKind.STATE, 1420, 1420),
    }
    assert shop.metric("queqiao_reconciliation_differences", provider="wechatpay") == 4
    assert await shop.wallet() == (4260, 0), "nothing was repaired"


async def test_refunds_are_compared_too(shop: Shop) -> None:
    shop.provider.refunds_become = RefundProgress.DONE
    order = await shop.topped_up()
    await shop.refund(order, 100)
    lost = await shop.refund(order, 200)
    del shop.provider.refunds[lost.out_refund_no]
    ended = await shop.refund(order, 300)
    shop.provider.end_refund(ended.out_refund_no, RefundProgress.ABNORMAL)
    report = await compared(shop, day_of(datetime.now(UTC)))
    assert {(one.kind, one.out_refund_no) for one in report.differences} == {
        (DifferenceKind.MISSING_IN_BILL, lost.out_refund_no),
        (DifferenceKind.STATE, ended.out_refund_no),
    }


async def test_a_refund_that_was_refused_or_closed_is_no_difference(shop: Shop) -> None:
    order = await shop.topped_up()
    closed = await shop.refund(order, 100)
    await shop.notify(shop.provider.end_refund(closed.out_refund_no, RefundProgress.CLOSED))
    shop.provider.is_away = True
    refused = await shop.refund(order, 200)
    shop.provider.is_away, shop.provider.refuses = False, True
    await shop.later(15)
    await shop.look()
    assert (await shop.read_refund(refused)).state is RefundState.CANCELLED
    report = await compared(shop, day_of(datetime.now(UTC)))
    assert report.differences == ()
    assert report.books.refunds == report.bill.refunds == 0


async def test_a_refund_that_the_provider_began_a_day_later_is_not_missing_in_the_books(shop: Shop) -> None:
    shop.provider.refunds_become = RefundProgress.DONE
    refund = await shop.refund(await shop.topped_up(), 100)
    tomorrow = day_of(datetime.now(UTC)) + timedelta(days=1)
    shop.provider.refunded_at[refund.out_refund_no] += timedelta(days=1)
    report = await compared(shop, tomorrow)
    assert (report.differences, report.books.refunds) == ((), 1)


async def test_a_bill_that_several_providers_share_is_compared_with_all_their_orders(database_url: str) -> None:
    newer, older = FakeProvider(), FakeProvider("older", frozenset({Channel.JSAPI_V2}))
    async with open_shop(database_url, newer, older) as shop:
        await shop.topped_up(paid_at=NOON)
        await shop.notify(older.pay(await shop.buy(channel=Channel.JSAPI_V2), paid_at=NOON), "older")
        # One merchant, and one bill.
        newer.trades = older.trades = newer.trades | older.trades
        for provider in (newer, older):
            report = await shop.reconciler.run(provider, FIRST)
            assert report is not None
            assert (report.differences, report.bill.payments) == ((), 2)


async def test_a_report_is_kept_and_a_later_one_replaces_it(shop: Shop) -> None:
    order = await shop.buy()
    callback = shop.provider.pay(order, paid_at=NOON)
    assert kinds(await compared(shop, FIRST)) == [DifferenceKind.MISSING_IN_BOOKS]
    kept = await stored(shop, FIRST)
    assert kept["differences"] == [
        {
            "kind": "missing_in_books",
            "out_trade_no": order.out_trade_no,
            "out_refund_no": "",
            "bill_fen": 1420,
            "book_fen": 0,
        }
    ]
    await shop.notify(callback)
    assert kinds(await compared(shop, FIRST)) == []
    assert (await stored(shop, FIRST))["differences"] == []
    assert (await stored(shop, FIRST))["books"] == {
        "payments": 1,
        "paid_fen": 1420,
        "refunds": 0,
        "refunded_fen": 0,
    }


async def test_yesterday_is_compared_once_its_bill_is_there_and_only_once(shop: Shop) -> None:
    order = await shop.topped_up(paid_at=NOON)
    ten_past_ten = datetime(2026, 3, 2, 2, 10, tzinfo=UTC)
    await shop.watch.tidy(ten_past_ten - timedelta(seconds=1))
    assert not await shop.store.reconciled("wechatpay", FIRST)
    assert await shop.store.reconciled("wechatpay", FIRST - timedelta(days=1))
    await shop.watch.tidy(ten_past_ten)
    assert (await stored(shop, FIRST))["bill"]["payments"] == 1
    asked = shop.provider.told.count("bill")
    del shop.provider.trades[order.out_trade_no]
    await shop.watch.tidy(ten_past_ten + timedelta(hours=20))
    assert shop.provider.told.count("bill") == asked
    assert (await stored(shop, FIRST))["differences"] == []
    await shop.watch.tidy(ten_past_ten + timedelta(days=1))
    assert await shop.store.reconciled("wechatpay", SECOND)


async def test_a_bill_that_cannot_be_had_is_asked_for_again(shop: Shop) -> None:
    now = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    shop.provider.is_away = True
    await shop.watch.tidy(now)
    assert not await shop.store.reconciled("wechatpay", FIRST)
    with pytest.raises(PaymentUnavailableError):
        await shop.reconciler.run(shop.provider, FIRST)
    shop.provider.is_away = False
    await shop.watch.tidy(now + timedelta(minutes=10))
    assert await shop.store.reconciled("wechatpay", FIRST)


async def test_one_bill_that_is_away_does_not_keep_the_others_from_being_compared(database_url: str) -> None:
    away, other = FakeProvider(is_away=True), FakeProvider("other", frozenset({Channel.JSAPI_V2}))
    async with open_shop(database_url, away, other) as shop:
        await shop.watch.tidy(datetime(2026, 3, 2, 3, 0, tzinfo=UTC))
        assert await shop.store.reconciled("other", FIRST)


async def test_a_provider_without_bills_has_no_report(shop: Shop) -> None:
    shop.provider.has_bills = False
    assert await shop.reconciler.run(shop.provider, FIRST) is None
    assert not await shop.store.reconciled("wechatpay", FIRST)
