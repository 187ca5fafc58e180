"""Refunds: never more than is left, held while under way, given back once, whatever happens on the way."""

import asyncio
from dataclasses import replace

import pytest

from services.billing.errors import InsufficientQuotaError, RequestConflictError
from services.billing.operations import GrantCredit, HoldRefund
from services.billing.payments.domain import OrderState, RefundProgress, RefundState
from services.billing.payments.errors import (
    OrderNotFoundError,
    OrderNotPaidError,
    PaymentRefusedError,
    RefundTooLargeError,
)
from tests.fakes.payment_provider import ACCEPTED, REFUSED, FakeProvider
from tests.integration.billing.payments.shop import FEN, Shop, open_shop

DONE, ABNORMAL, CLOSED = RefundProgress.DONE, RefundProgress.ABNORMAL, RefundProgress.CLOSED


async def left_of(work: object) -> str:
    """What a refund that is too large is told can be given back."""
    with pytest.raises(RefundTooLargeError) as caught:
        await work  # type: ignore[misc]  # any awaitable
    return caught.value.metadata["refundable_fen"]


async def test_a_whole_refund_is_held_and_leaves_the_wallet_when_it_is_done(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order)
    assert (refund.state, refund.amount_fen, refund.reason) == (RefundState.HELD, 1420, "sorry")
    assert await shop.wallet() == (1420, 1420)
    assert await shop.notify(shop.provider.end_refund(refund.out_refund_no, DONE)) == ACCEPTED
    ended, order = await shop.read_refund(refund), await shop.read(order)
    assert (ended.state, ended.refund_id) == (RefundState.DONE, f"F{refund.out_refund_no[:16]}")
    assert ended.closed_at is not None
    assert (order.state, order.refunded_fen) == (OrderState.REFUNDED, 1420)
    assert await shop.wallet() == (0, 0)


async def test_parts_are_given_back_until_nothing_is_left(shop: Shop) -> None:
    shop.provider.refunds_become = DONE
    order = await shop.topped_up()
    for amount, state in ((400, OrderState.PAID), (1_000, OrderState.PAID), (20, OrderState.REFUNDED)):
        assert (await shop.refund(order, amount)).state is RefundState.DONE
        assert (await shop.read(order)).state is state
    assert await left_of(shop.refund(order, 1)) == "0"
    assert await left_of(shop.refund(order)) == "0"
    assert await shop.wallet() == (0, 0)
    assert shop.provider.refunded_fen(order) == 1420


async def test_what_is_held_cannot_be_spent(shop: Shop) -> None:
    order = await shop.topped_up()
    await shop.refund(order, 1_000)
    assert await shop.wallet() == (1420, 1_000)
    with pytest.raises(InsufficientQuotaError):
        await shop.spend(421)
    await shop.spend(420)


async def test_what_was_spent_cannot_be_given_back(shop: Shop) -> None:
    order = await shop.topped_up()
    await shop.spend(500)
    assert await left_of(shop.refund(order, 921)) == "920"
    assert (await shop.refund(order)).amount_fen == 920


async def test_given_credit_is_spent_first_and_never_given_back(shop: Shop) -> None:
    await shop.grant(100)
    order = await shop.topped_up()
    assert await left_of(shop.refund(order, 1421)) == "1420"
    await shop.spend(60)
    assert await left_of(shop.refund(order, 1421)) == "1420"
    await shop.spend(60)
    assert await left_of(shop.refund(order, 1401)) == "1400"


async def test_the_older_topup_is_spent_first(shop: Shop) -> None:
    older = await shop.topped_up()
    newer = await shop.topped_up("small")
    await shop.spend(1_000)
    assert await left_of(shop.refund(older, 421)) == "420"
    assert (await shop.refund(newer)).amount_fen == 142
    assert (await shop.refund(older)).amount_fen == 420
    assert await shop.wallet() == (562, 562)


async def test_a_refund_that_was_held_frees_nothing_for_another_topup(shop: Shop) -> None:
    older, newer = await shop.topped_up(), await shop.topped_up("small")
    await shop.refund(newer)
    await shop.spend(1_400)
    assert await left_of(shop.refund(older, 21)) == "20"


async def test_a_fraction_of_a_fen_is_never_given_back(shop: Shop) -> None:
    order = await shop.topped_up()
    await shop.spend(1)
    # Now ¥14.195 are available.
    await shop.writer.submit(GrantCredit("u", "half a fen", FEN // 2, "gift"))
    assert (await shop.refund(order)).amount_fen == 1419


async def test_a_refused_refund_returns_to_the_wallet(shop: Shop) -> None:
    order = await shop.topped_up()
    shop.provider.refuses = True
    with pytest.raises(PaymentRefusedError):
        await shop.refund(order, request_id="r")
    assert await shop.wallet() == (1420, 0)
    shop.provider.refuses = False
    assert (await shop.refund(order, request_id="r")).state is RefundState.CANCELLED
    assert (await shop.refund(order)).state is RefundState.HELD


async def test_a_refund_that_the_provider_closes_returns_to_the_wallet(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order, 400)
    assert await shop.notify(shop.provider.end_refund(refund.out_refund_no, CLOSED)) == ACCEPTED
    assert (await shop.read_refund(refund)).state is RefundState.CANCELLED
    assert await shop.wallet() == (1420, 0)
    assert (await shop.refund(order)).amount_fen == 1420


async def test_an_abnormal_refund_stays_held_until_an_operator_ended_it_at_the_provider(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order)
    for _ in range(2):
        assert await shop.notify(shop.provider.end_refund(refund.out_refund_no, ABNORMAL)) == ACCEPTED
    assert (await shop.read_refund(refund)).state is RefundState.ABNORMAL
    assert await shop.wallet() == (1420, 1420)
    assert await shop.incidents() == ["refund_abnormal"]
    shop.provider.end_refund(refund.out_refund_no, DONE)
    await shop.later(20)
    await shop.look()
    assert (await shop.read_refund(refund)).state is RefundState.DONE
    assert await shop.wallet() == (0, 0)


async def test_a_provider_that_is_away_is_asked_again_with_the_same_number(shop: Shop) -> None:
    order = await shop.topped_up()
    shop.provider.is_away = True
    refund = await shop.refund(order, 400)
    assert refund.state is RefundState.HELD
    await shop.later(16)
    await shop.look()
    assert await shop.wallet() == (1420, 400)
    shop.provider.is_away, shop.provider.refunds_become = False, DONE
    await shop.later(31)
    await shop.look()
    assert list(shop.provider.refunds) == [refund.out_refund_no]
    assert (await shop.read_refund(refund)).state is RefundState.DONE
    assert await shop.wallet() == (1020, 0)


async def test_a_refund_whose_answer_was_lost_happens_once(shop: Shop) -> None:
    order = await shop.topped_up()
    shop.provider.loses_answers, shop.provider.refunds_become = True, DONE
    refund = await shop.refund(order, 400)
    assert refund.state is RefundState.HELD
    shop.provider.loses_answers = False
    await shop.later(16)
    await shop.look()
    assert (await shop.read_refund(refund)).state is RefundState.DONE
    assert shop.provider.refunded_fen(order) == 400
    assert await shop.wallet() == (1020, 0)


async def test_a_crash_between_holding_and_asking_is_picked_up_by_the_watch(shop: Shop) -> None:
    order = await shop.topped_up()
    shop.provider.refunds_become = DONE
    await shop.writer.submit(HoldRefund("u", "R" + "0" * 31, "r", order.out_trade_no, 0, "then it died"))
    assert shop.provider.refunds == {}
    await shop.later(16)
    await shop.look()
    assert shop.provider.refunded_fen(order) == 1420
    assert (await shop.read(order)).state is OrderState.REFUNDED
    assert await shop.wallet() == (0, 0)


async def test_a_refund_that_is_refused_when_it_is_asked_for_again_returns_to_the_wallet(shop: Shop) -> None:
    order = await shop.topped_up()
    shop.provider.is_away = True
    refund = await shop.refund(order)
    shop.provider.is_away, shop.provider.refuses = False, True
    await shop.later(16)
    await shop.look()
    assert (await shop.read_refund(refund)).state is RefundState.CANCELLED
    assert await shop.wallet() == (1420, 0)


async def test_the_same_request_again_is_the_same_refund(shop: Shop) -> None:
    order = await shop.topped_up()
    first = await shop.refund(order, 400, request_id="r")
    assert await shop.refund(order, 400, request_id="r") == first
    await shop.notify(shop.provider.end_refund(first.out_refund_no, DONE))
    assert (await shop.refund(order, 400, request_id="r")).state is RefundState.DONE
    assert shop.provider.told.count("refund") == 1
    assert await shop.wallet() == (1020, 0)


async def test_all_that_is_left_asked_for_again_is_the_same_refund(shop: Shop) -> None:
    order = await shop.topped_up()
    first = await shop.refund(order, request_id="r")
    assert await shop.refund(order, request_id="r") == first


async def test_the_same_request_with_other_content_is_a_conflict(shop: Shop) -> None:
    order, other = await shop.topped_up(), await shop.topped_up("small")
    await shop.refund(order, 400, request_id="r")
    for again in (
        shop.refund(order, 401, request_id="r"),
        shop.refund(order, 400, request_id="r", reason="another"),
        shop.refund(other, 100, request_id="r"),
    ):
        with pytest.raises(RequestConflictError):
            await again
    assert await shop.wallet() == (1562, 400)


async def test_concurrent_refunds_of_one_order_never_exceed_it(
    shop: Shop, provider: FakeProvider, database_url: str
) -> None:
    provider.refunds_become = DONE
    order = await shop.topped_up()
    async with open_shop(database_url, provider) as other:
        outcomes = await asyncio.gather(*(one.refund(order, 300) for one in [shop, other] * 8), return_exceptions=True)
    assert sum(isinstance(outcome, RefundTooLargeError) for outcome in outcomes) == 12
    assert provider.refunded_fen(order) == 1_200
    assert await shop.wallet() == (220, 0)


async def test_concurrent_duplicates_of_a_refund_happen_once(
    shop: Shop, provider: FakeProvider, database_url: str
) -> None:
    provider.refunds_become = DONE
    order = await shop.topped_up()
    async with open_shop(database_url, provider) as other:
        await asyncio.gather(*(one.refund(order, 300, request_id="r") for one in [shop, other] * 8))
    assert provider.refunded_fen(order) == 300
    assert await shop.wallet() == (1_120, 0)


async def test_refunds_and_spending_at_once_never_overdraw(shop: Shop) -> None:
    shop.provider.refunds_become = DONE
    order = await shop.topped_up()
    await asyncio.gather(
        *(shop.refund(order, 200) for _ in range(8)), *(shop.spend(200) for _ in range(8)), return_exceptions=True
    )
    balance, reserved = await shop.wallet()
    assert (balance, reserved) == (20, 0)


async def test_repeated_notices_of_a_refund_book_it_once(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order, 400)
    notices = [shop.provider.end_refund(refund.out_refund_no, DONE) for _ in range(10)]
    assert await asyncio.gather(*(shop.notify(notice) for notice in [*notices, *notices])) == [ACCEPTED] * 20
    assert await shop.wallet() == (1020, 0)
    assert await shop.incidents() == []


async def test_older_news_of_a_refund_that_comes_late_changes_nothing(shop: Shop) -> None:
    order = await shop.topped_up()
    refund = await shop.refund(order, 400)
    older = [shop.provider.end_refund(refund.out_refund_no, one) for one in (RefundProgress.PROCESSING, ABNORMAL)]
    assert await shop.notify(shop.provider.end_refund(refund.out_refund_no, DONE)) == ACCEPTED
    for notice in older:
        assert await shop.notify(notice) == ACCEPTED
    assert (await shop.read_refund(refund)).state is RefundState.DONE
    assert await shop.incidents() == []
    assert await shop.wallet() == (1020, 0)


@pytest.mark.parametrize(("first", "then", "balance_fen"), [(DONE, CLOSED, 1020), (CLOSED, DONE, 1420)])
async def test_a_refund_that_ends_in_two_ways_is_an_incident_and_the_first_end_stays(
    shop: Shop, first: RefundProgress, then: RefundProgress, balance_fen: int
) -> None:
    refund = await shop.refund(await shop.topped_up(), 400)
    assert await shop.notify(shop.provider.end_refund(refund.out_refund_no, first)) == ACCEPTED
    for _ in range(2):
        assert await shop.notify(shop.provider.end_refund(refund.out_refund_no, then)) == REFUSED
    assert await shop.incidents() == ["refund_ended_twice"]
    assert await shop.wallet() == (balance_fen, 0)


async def test_a_refund_of_another_amount_than_ours_is_an_incident_and_stays_held(shop: Shop) -> None:
    refund = await shop.refund(await shop.topped_up(), 400)
    other = replace(shop.provider.refunds[refund.out_refund_no], progress=DONE, amount_fen=399)
    assert await shop.notify(shop.provider.notify(refund=other)) == REFUSED
    assert await shop.incidents() == ["other_refund_amount"]
    assert await shop.wallet() == (1420, 400)


async def test_a_notice_of_our_refund_about_another_order_is_an_incident(shop: Shop) -> None:
    order, other = await shop.topped_up(), await shop.topped_up()
    refund = await shop.refund(order, 400)
    done = replace(shop.provider.refunds[refund.out_refund_no], progress=DONE, out_trade_no=other.out_trade_no)
    assert await shop.notify(shop.provider.notify(refund=done)) == REFUSED
    assert (await shop.read_refund(refund)).state is RefundState.HELD


async def test_what_was_not_paid_cannot_be_given_back(shop: Shop) -> None:
    with pytest.raises(OrderNotPaidError):
        await shop.refund(await shop.buy())
    order = await shop.buy()
    await shop.pool.execute("UPDATE orders SET out_trade_no = 'GONE01' WHERE out_trade_no = $1", order.out_trade_no)
    with pytest.raises(OrderNotFoundError):
        await shop.refund(order)
