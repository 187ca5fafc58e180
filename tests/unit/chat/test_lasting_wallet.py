"""Reservations that are closed although billing did not hear it the first time."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from services.chat.domain import Model, Outcome, Prepayment, Question, Usage
from services.chat.lasting_wallet import LastingWallet
from services.chat.ports import Bill
from services.runtime.errors import Code, RemoteError, ServiceError, UnavailableError
from tests.fakes.turn_scene import HELLO

AWAY = UnavailableError("billing does not answer")
UNKNOWN = RemoteError(Code.NOT_FOUND, "RESERVATION_NOT_FOUND", "no such reservation")
MODEL = Model("m", 1000, 100, "o200k_base")
PREPAYMENT = Prepayment("u", "r", "m", Usage(7, 0, 7), "run1")
CLOSED = RemoteError(Code.FAILED_PRECONDITION, "RESERVATION_CLOSED", "it was settled")


@dataclass
class Wallet:
    """Fails a release by its name, while it is told to."""

    errors: dict[str, ServiceError] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    settled: list[Bill] = field(default_factory=list)
    voided: list[Prepayment] = field(default_factory=list)
    asked: int = 0

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        raise AWAY

    async def charge(self, prepayment: Prepayment) -> int:
        if error := self.errors.get(prepayment.ledger_id):
            raise error
        return prepayment.usage.input

    async def void(self, prepayment: Prepayment) -> None:
        if error := self.errors.get(prepayment.ledger_id):
            raise error
        self.voided.append(prepayment)

    async def settle(self, bill: Bill) -> int:
        if error := self.errors.get(bill.ledger_id):
            raise error
        self.settled.append(bill)
        return bill.usage.input

    async def release(self, user_id: str, ledger_id: str) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if error := self.errors.get(ledger_id):
            raise error
        self.released.append(ledger_id)


@dataclass
class Scene:
    """A wallet that lasts, and the time."""

    wallet: Wallet = field(default_factory=Wallet)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.lasting = LastingWallet(self.wallet, expiry_s=360, clock=lambda: self.now_s)

    async def fail(self, ledger_id: str, error: ServiceError) -> None:
        """Fail to release something."""
        self.wallet.errors[ledger_id] = error
        with pytest.raises(type(error)):
            await self.lasting.release("u", ledger_id)


async def test_what_billing_did_not_hear_is_given_back_once_when_it_answers_again() -> None:
    scene = Scene()
    for n in range(250):
        await scene.fail(f"r{n}", AWAY)
    assert not await scene.lasting.try_again()
    assert (scene.wallet.released, scene.lasting.waiting) == ([], 250)
    scene.wallet.errors.clear()
    for _ in range(4):
        assert await scene.lasting.try_again()
    assert sorted(scene.wallet.released) == sorted(f"r{n}" for n in range(250))
    assert scene.lasting.waiting == 0


async def test_it_is_given_up_when_the_reservation_has_expired_by_itself() -> None:
    scene = Scene()
    await scene.fail("r", AWAY)
    scene.now_s = 359
    await scene.lasting.try_again()
    assert scene.lasting.waiting == 1
    scene.now_s = 361
    await scene.lasting.try_again()
    assert scene.lasting.waiting == 0


async def test_a_reservation_that_arrives_after_its_release_is_given_back_as_well() -> None:
    scene = Scene()
    await scene.fail("late", UNKNOWN)
    await scene.fail("never", UNKNOWN)
    assert await scene.lasting.try_again()
    scene.now_s = 5
    del scene.wallet.errors["late"]
    await scene.lasting.try_again()
    assert (scene.wallet.released, scene.lasting.waiting) == (["late"], 1)
    scene.now_s = 11
    await scene.lasting.try_again()
    assert scene.lasting.waiting == 0


async def test_what_is_closed_already_is_left_alone() -> None:
    scene = Scene()
    await scene.fail("closed", CLOSED)
    assert scene.lasting.waiting == 0
    await scene.fail("later", AWAY)
    scene.wallet.errors["later"] = CLOSED
    await scene.lasting.try_again()
    assert scene.lasting.waiting == 0


async def test_what_could_not_be_settled_is_settled_with_the_same_bill() -> None:
    scene = Scene()
    bill = Bill("u", "r", Usage(7, 1), Outcome.COMPLETED)
    scene.wallet.errors["r"] = AWAY
    with pytest.raises(UnavailableError):
        await scene.lasting.settle(bill)
    await scene.fail("other", AWAY)
    assert not await scene.lasting.try_again()
    scene.wallet.errors.clear()
    assert await scene.lasting.try_again()
    assert (scene.wallet.settled, scene.wallet.released, scene.lasting.waiting) == ([bill], ["other"], 0)


async def test_a_charge_that_could_not_be_voided_is_voided_however_long_that_takes() -> None:
    scene = Scene()
    scene.wallet.errors["r"] = AWAY
    for prepayment in (PREPAYMENT, replace(PREPAYMENT, run="run2")):
        with pytest.raises(UnavailableError):
            await scene.lasting.void(prepayment)
    await scene.fail("r", AWAY)
    # The reservation expires by itself, and the charges do not.
    scene.now_s = 86_400
    await scene.lasting.try_again()
    assert scene.lasting.waiting == 2
    scene.wallet.errors.clear()
    assert await scene.lasting.try_again()
    assert [prepayment.run for prepayment in scene.wallet.voided] == ["run1", "run2"]
    assert (scene.wallet.released, scene.lasting.waiting) == ([], 0)


async def test_a_charge_that_never_was_is_not_voided_for_ever() -> None:
    scene = Scene()
    scene.wallet.errors["r"] = RemoteError(Code.ALREADY_EXISTS, "REQUEST_CONFLICT", "another run was charged")
    with pytest.raises(RemoteError):
        await scene.lasting.void(PREPAYMENT)
    assert scene.lasting.waiting == 0


async def test_a_charge_is_voided_although_the_turn_reserves_under_the_same_id_now() -> None:
    scene = Scene()
    scene.wallet.errors[HELLO.ledger_id] = AWAY
    charged = Prepayment(HELLO.user_id, HELLO.ledger_id, "m", Usage(7, 0, 7), "run1")
    with pytest.raises(UnavailableError):
        await scene.lasting.void(charged)
    with pytest.raises(UnavailableError):
        await scene.lasting.reserve(HELLO, MODEL, 1, 1)
    scene.wallet.errors.clear()
    await scene.lasting.try_again()
    assert scene.wallet.voided == [charged]


async def test_a_process_that_ends_names_the_charges_that_it_could_not_void() -> None:
    scene = Scene()
    scene.wallet.errors["r"] = AWAY
    with pytest.raises(UnavailableError):
        await scene.lasting.void(PREPAYMENT)
    with capture_logs() as logs:
        await scene.lasting.finish()
    assert [(entry["log_level"], entry["request_ids"]) for entry in logs] == [("error", ["r"])]


async def test_no_more_are_remembered_than_is_bounded() -> None:
    scene = Scene()
    for n in range(10_020):
        await scene.fail(f"r{n}", AWAY)
    assert scene.lasting.waiting == 10_000


async def test_it_sleeps_while_nothing_waits_and_wakes_for_the_next_one() -> None:
    scene = Scene()
    going = asyncio.create_task(scene.lasting.keep_going())
    await asyncio.sleep(0.01)
    await scene.fail("r", AWAY)
    del scene.wallet.errors["r"]
    async with asyncio.timeout(3):
        while not scene.wallet.released:  # a list is no event
            await asyncio.sleep(0.05)
    asked = scene.wallet.asked
    await asyncio.sleep(1.2)
    assert scene.wallet.asked == asked
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)


async def test_everything_else_is_the_wallets_own() -> None:
    scene = Scene()
    assert await scene.lasting.settle(Bill("u", "r", Usage(7, 1), Outcome.COMPLETED)) == 7
    assert await scene.lasting.charge(PREPAYMENT) == 7
    with pytest.raises(UnavailableError):
        await scene.lasting.reserve(HELLO, MODEL, 1, 1)
    assert scene.lasting.waiting == 0


async def test_what_is_reserved_anew_is_not_closed_late_under_a_running_turn() -> None:
    scene = Scene()
    scene.wallet.errors[HELLO.ledger_id] = AWAY
    with pytest.raises(UnavailableError):
        await scene.lasting.release(HELLO.user_id, HELLO.ledger_id)
    assert scene.lasting.waiting == 1
    scene.wallet.errors.clear()
    with pytest.raises(UnavailableError):
        await scene.lasting.reserve(HELLO, MODEL, 1, 1)
    await scene.lasting.try_again()
    assert scene.wallet.released == []


async def test_a_process_that_ends_tries_once_more() -> None:
    scene = Scene()
    await scene.fail("r1", AWAY)
    await scene.fail("r2", AWAY)
    del scene.wallet.errors["r1"]
    await scene.lasting.finish()
    assert scene.wallet.released == ["r1"]
    assert scene.lasting.waiting == 1
