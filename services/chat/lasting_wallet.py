"""Reservations that could not be closed are closed when billing answers again, and charges that are void voided. Pure.

A turn that is refused while billing is frozen may have reserved all the same: its answer did not come. Left alone, the
user could not spend that money until the reservation expires, minutes after their turn failed; and what a turn produced
that could not be settled would be given away.

A charge whose answer did not come is not asked for again: the user would wait for longer, or leave. Its turn fails, and
the charge is voided until billing has heard that, for a charge does not expire by itself. Billing refuses one that
arrives after it was voided, so it does not matter which of the two is on its way for longer.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from services.chat.domain import Model, Prepayment, Question
from services.chat.ports import Bill, Wallet
from services.runtime.errors import Code, ServiceError

# How often billing is asked; while it is away, more and more slowly.
_PAUSE_S, _PAUSE_S_MAX = 1.0, 5.0

# So many at once, and so many are remembered at most: what is beyond expires, or stays charged.
_AT_ONCE = 100

# How long a process that ends waits for billing.
_LAST_TRY_S = 2.0
_REMEMBERED_MAX = 10_000

# A reservation that billing does not know may still be on its way there, for so long.
_UNDER_WAY_S = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """How a reservation is closed, by a bill or without one, and until when that is tried, in the clock's seconds.

    Or the charge that is void.
    """

    until_s: float
    bill: Bill | None = None
    void: Prepayment | None = None
    is_unknown: bool = False


# User, turn and, where a charge is void, the run that was charged.
_Name = tuple[str, str, str]


class LastingWallet:
    """The port `Wallet`: what another one does, but what closes a reservation is tried until billing has heard it."""

    def __init__(self, wallet: Wallet, *, expiry_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask this wallet, in which a reservation expires by itself after `expiry_s`; `clock` in seconds."""
        self._wallet = wallet
        self._expiry_s = expiry_s
        self._clock = clock
        self._waiting: dict[_Name, _Waiting] = {}
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many reservations are still to be closed, and charges to be voided."""
        return len(self._waiting)

    async def reserve(self, question: Question, model: Model, input_tokens: int, max_output_tokens: int) -> None:
        """Set the most that the turn can cost aside."""
        # Who asks again under the same id wants the reservation: what was to close it does not come late.
        self._waiting.pop((question.user_id, question.ledger_id, ""), None)
        await self._wallet.reserve(question, model, input_tokens, max_output_tokens)

    async def charge(self, prepayment: Prepayment) -> int:
        """Charge at once."""
        return await self._wallet.charge(prepayment)

    async def void(self, prepayment: Prepayment) -> None:
        """Make a charge undone: now, or if that fails, later, too.

        Raises:
            ServiceError: It was not undone now.
        """
        try:
            await self._wallet.void(prepayment)
        except ServiceError as error:
            name = (prepayment.user_id, prepayment.ledger_id, prepayment.run)
            self._remember(name, _Waiting(math.inf, void=prepayment), error)
            raise

    async def settle(self, bill: Bill) -> int:
        """Charge: now, or if that fails, later, too.

        Raises:
            ServiceError: It was not charged now.
        """
        try:
            return await self._wallet.settle(bill)
        except ServiceError as error:
            self._remember((bill.user_id, bill.ledger_id, ""), self._until_it_expires(bill), error)
            raise

    async def release(self, user_id: str, ledger_id: str) -> None:
        """Give the reservation back: now, or if that fails, later, too.

        Raises:
            ServiceError: It was not given back now.
        """
        try:
            await self._wallet.release(user_id, ledger_id)
        except ServiceError as error:
            self._remember((user_id, ledger_id, ""), self._until_it_expires(), error)
            raise

    async def keep_going(self) -> None:
        """Close what is still to be closed, again and again; run it as a task and cancel it."""
        pause_s = _PAUSE_S
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(pause_s)
            pause_s = _PAUSE_S if await self.try_again() else min(2 * pause_s, _PAUSE_S_MAX)

    async def finish(self) -> None:
        """Try once more before the process ends; what still waits expires, or must be looked at by an operator."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_TRY_S):
                await self.try_again()
        void = [name[1] for name, waiting in self._waiting.items() if waiting.void is not None]
        if void:
            log.error("charges are left that may have to be reversed", request_ids=void)
        if len(self._waiting) > len(void):
            log.warning("reservations are left to expire", reservations=len(self._waiting) - len(void))

    async def try_again(self) -> bool:
        """Try to close some; whether billing answered."""
        some = list(self._waiting.items())[:_AT_ONCE]
        answered = True
        # A settlement is patient by itself: what is only to be given back does not wait for it.
        for settles in (False, True):
            ends = (self._again(name, waiting) for name, waiting in some if (waiting.bill is not None) is settles)
            answered = all(await asyncio.gather(*ends)) and answered
        return answered

    def _until_it_expires(self, bill: Bill | None = None) -> _Waiting:
        return _Waiting(self._clock() + self._expiry_s, bill)

    def _remember(self, name: _Name, waiting: _Waiting, error: ServiceError) -> None:
        if not _may_succeed(error):
            return
        if len(self._waiting) < _REMEMBERED_MAX:
            self._waiting[name] = waiting
            self._news.set()
        elif waiting.void is not None:
            log.error("a charge is left that may have to be reversed", request_id=name[1])

    async def _close(self, name: _Name, waiting: _Waiting) -> None:
        user_id, ledger_id, _ = name
        if waiting.void is not None:
            await self._wallet.void(waiting.void)
        elif waiting.bill is not None:
            await self._wallet.settle(waiting.bill)
        else:
            await self._wallet.release(user_id, ledger_id)

    async def _again(self, name: _Name, waiting: _Waiting) -> bool:
        error: ServiceError | None = None
        try:
            await self._close(name, waiting)
        except ServiceError as failure:
            error = failure
        if error is None:
            log.info("turn closed late", request_id=name[1])
        answered = error is None or error.wire_code is not Code.UNAVAILABLE
        if self._waiting.get(name) is not waiting:
            # Meanwhile it was reserved anew, or is to be closed otherwise.
            return answered
        # What waits longer stands behind the others.
        del self._waiting[name]
        if error is None:
            return answered
        if error.wire_code is Code.NOT_FOUND and not waiting.is_unknown:
            until_s = min(waiting.until_s, self._clock() + _UNDER_WAY_S)
            waiting = replace(waiting, until_s=until_s, is_unknown=True)
        if _may_succeed(error) and self._clock() < waiting.until_s:
            self._waiting[name] = waiting
        return answered


def _may_succeed(error: ServiceError) -> bool:
    """Whether the same may succeed later; what is closed is closed."""
    return error.wire_code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.NOT_FOUND)
