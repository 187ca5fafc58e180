"""The ledger's bench: what is planned, how turns are driven, and what the table says."""

import asyncio
from dataclasses import dataclass, field

from bench.ledger import Driver, Load, Measured, loads, render
from services.chat.domain import Model, Prepayment, Question
from services.chat.ports import Bill


@dataclass
class Wallet:
    """Answers after a moment; counts what is open."""

    open_now: int = 0
    open_most: int = 0
    request_ids: list[str] = field(default_factory=list)
    users: set[str] = field(default_factory=set)

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        self.request_ids.append(question.request_id)
        self.users.add(question.user_id)
        await asyncio.sleep(0.005)

    async def charge(self, prepayment: Prepayment) -> int:
        raise AssertionError("every turn is reserved")

    async def void(self, prepayment: Prepayment) -> None:
        raise AssertionError("nothing is charged at once")

    async def settle(self, bill: Bill) -> int:
        await asyncio.sleep(0.001)
        self.open_now -= 1
        return 1

    async def release(self, user_id: str, ledger_id: str) -> None:
        raise AssertionError("every turn is settled")


async def test_so_many_turns_run_at_once_each_its_own_and_each_is_closed() -> None:
    wallet = Wallet()
    latencies = await Driver(wallet, ["a", "b"], seed=1).run(4, 0.1)
    assert (wallet.open_most, wallet.open_now) == (4, 0)
    assert len(set(wallet.request_ids)) == len(wallet.request_ids) == len(latencies.reserve_ms) > 8
    assert wallet.users == {"a", "b"}
    assert min(latencies.reserve_ms) >= 4
    assert min(latencies.settle_ms) >= 0.9


def test_crowds_grow_for_many_users_and_one_account_is_hot_with_one_process_and_with_two() -> None:
    planned = loads(quick=False)
    assert {load.processes for load in planned} == {1, 2}
    for processes in (1, 2):
        many = [load.turns_at_once for load in planned if load.processes == processes and load.users == 1000]
        assert many == [1, 8, 32, 128, 512]
        assert max(load.turns_at_once for load in planned if load.processes == processes and load.users == 1) >= 128
    assert [load.processes for load in planned] == sorted(load.processes for load in planned)
    assert {load.seconds for load in loads(quick=True, seconds=7)} == {7}


def test_the_table_adds_up_what_the_ledger_costs_and_keeps_the_client_apart() -> None:
    spread = {"p50": 7.5, "p90": 8.0, "p99": 9.25, "max": 11.0}
    cpu = {"billing": 0.25, "postgres": 0.2, "client": 0.1}
    measured = Measured(Load(2, 1000, 32, 3), 2400, 800.0, spread, spread, cpu, 31.5, 0.012)
    row = render([measured]).splitlines()[-1].split()
    assert row == ["32", "1000", "2", "800", "7.5", "9.2", "7.5", "31.5", "0.250", "0.200", "0.450", "0.100", "1.2%"]
