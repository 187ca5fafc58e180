"""Statements, receipts, usage and costs, as users and owners read them."""

from datetime import UTC, datetime, timedelta

import pytest

from services.billing.books.costs import CostReader
from services.billing.books.domain import Transaction
from services.billing.books.statement import StatementReader
from services.billing.domain import Kind, Source, State
from services.billing.errors import ReservationNotFoundError
from services.billing.operations import GrantCredit, Reserve, Settle
from services.billing.pricing import Price, Usage
from tests.integration.billing.books.conftest import History


async def whole(history: History, user_id: str, page: int = 3) -> list[Transaction]:
    """All pages of a statement, the oldest first."""
    reader, found, before = StatementReader(history.pool), list[Transaction](), None
    while some := await reader.transactions(user_id, before=before, limit=page):
        found += some
        before = some[-1].id
    return found[::-1]


async def test_a_statement_adds_up_to_the_micro_yuan(history: History) -> None:
    lines = await whole(history, "ann")
    balance = 0
    for line in lines:
        balance += line.amount
        assert line.balance_after == balance
    assert balance == await history.pool.fetchval("SELECT balance_micros FROM wallets WHERE user_id = 'ann'")
    kinds = [Kind.TRIAL, Kind.GRANT, Kind.TURN, Kind.TURN, Kind.TURN, Kind.TURN]
    assert [line.kind for line in lines] == [*kinds, Kind.REVERSAL, Kind.TOPUP, Kind.REFUND]
    assert [line.id for line in lines] == sorted({line.id for line in lines})


async def test_a_statement_shows_nobody_elses_money(history: History) -> None:
    assert [line.amount for line in await whole(history, "bo")] == [1_000_000]
    assert await whole(history, "nobody") == []


async def test_a_statement_can_be_of_a_span_of_time(history: History) -> None:
    reader = StatementReader(history.pool)
    start, end = history.at + timedelta(seconds=90), history.at + timedelta(minutes=4)
    found = await reader.transactions("ann", start=start, end=end, limit=10)
    assert [line.kind for line in found] == [Kind.TOPUP, Kind.REVERSAL]


async def test_a_line_of_a_turn_carries_its_receipt(history: History) -> None:
    turns = {line.request_id: line.turn for line in await whole(history, "ann") if line.kind is Kind.TURN}
    cancelled = turns["t1"]
    assert cancelled is not None
    assert (cancelled.outcome, cancelled.usage, cancelled.charged) == ("cancelled", Usage(900, 100), 1_200)
    assert cancelled.price.cny_micros_per_usd == 1_000_000


async def test_a_receipt_explains_turns_that_cost_nothing(history: History) -> None:
    reader = StatementReader(history.pool)
    released = await reader.receipt("ann", "t4")
    assert (released.state, released.charged) == (State.RELEASED, None)
    assert (await reader.receipt("ann", "t5")).state is State.RESERVED
    assert (await reader.receipt("ann", "t2")).source is Source.CACHE
    for user_id, request_id in (("bo", "t0"), ("ann", "gift"), ("ann", "missing")):
        with pytest.raises(ReservationNotFoundError):
            await reader.receipt(user_id, request_id)


async def test_usage_adds_up_turns_by_day_in_china_and_model(history: History) -> None:
    # 23:30 and 00:30 in China.
    late = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)
    for number, (at, model) in enumerate([(late, "m"), (late, "m"), (late + timedelta(hours=1), "m"), (late, "n")]):
        moment = History(history.pool, at)
        price = Price(1_000_000, 500_000, 1_000_000, 0, 1_000_000)
        await moment.write(
            GrantCredit("cy", f"g{number}", 100, ""), Reserve("cy", f"t{number}", model, 9, 9, price, 60)
        )
        await moment.write(Settle("cy", f"t{number}", Usage(9, 5, 4), "completed"))
    lines = await StatementReader(history.pool).usage("cy", late - timedelta(days=1), late + timedelta(days=1))
    told = [(str(line.day), line.model, line.turns, line.input_tokens, line.charged) for line in lines]
    assert told == [("2026-03-02", "m", 1, 9, 12), ("2026-03-01", "m", 2, 18, 24), ("2026-03-01", "n", 1, 9, 12)]


async def test_costs_count_who_answered_and_what_it_cost_us(history: History) -> None:
    own = Price(1_000_000, 1_000_000, 1_000_000, 0, 1_000_000, own_model=True)
    await history.write(Reserve("bo", "own", "m", 10, 0, own, 60))
    await history.write(Settle("bo", "own", Usage(10, 0), "completed"))
    costs = await CostReader(history.pool).costs(history.at, history.at + timedelta(hours=1))
    assert (costs.questions, costs.cached_questions, costs.own_model_questions) == (5, 1, 1)
    assert costs.provider_cost == 1_300 + 1_000 + 20
    # What was given back is no revenue; a model of our own earns like any other.
    assert costs.revenue == 1_560 + 1_200 + 2_400 + 10
    assert costs.per_thousand == 2_320 * 1_000 // 5


async def test_no_question_costs_nothing(history: History) -> None:
    costs = await CostReader(history.pool).costs(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    assert (costs.questions, costs.per_thousand) == (0, 0)


async def test_clocks_that_differ_do_not_tear_a_statement(history: History) -> None:
    """Two processes write one wallet around midnight; the second one's clock is behind."""
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    for number, seconds in enumerate((-2, 1, -1, 2)):
        moment = History(history.pool, midnight + timedelta(seconds=seconds))
        await moment.write(GrantCredit("dee", f"g{number}", 10 + number, ""))
    reader = StatementReader(history.pool)
    before = await reader.transactions("dee", end=midnight, limit=10)
    after = await reader.transactions("dee", start=midnight, limit=10)
    assert [line.amount for line in (*after, *before)] == [13, 12, 11, 10]
    assert len(before) == 1
    assert before[0].balance_after + sum(line.amount for line in after) == after[0].balance_after
