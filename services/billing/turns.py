"""The rules of turns. Pure.

A reservation is opened once and closed once: settled, released or expired. A reservation moves nothing; settling it
moves what the turn is charged to revenue, and books what it cost us. A turn whose usage is known before it is shown is
charged at once: its reservation is born settled, and nothing is ever set aside for it.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from services.billing.book import Book
from services.billing.domain import (
    PROVIDER_COST,
    PROVIDERS,
    REVENUE,
    Kind,
    Reservation,
    State,
    Transfer,
    Wallet,
    cost_to_us,
)
from services.billing.errors import (
    InsufficientQuotaError,
    RequestConflictError,
    ReservationClosedError,
    ReservationNotFoundError,
)
from services.billing.operations import Charge, Expire, Release, Reserve, Result, ReverseTurn, Settle, VoidCharge
from services.billing.pricing import NOTHING_USED


def reserve(book: Book, wallet: Wallet, asked: Reserve, now: datetime) -> Result:
    """Set the worst case aside."""
    key = (asked.user_id, asked.request_id)
    if (known := book.reservations.get(key)) is not None:
        if known.input_sha256 != asked.sha256:
            raise RequestConflictError.used_before()
        # The first answer, even when the reservation was closed meanwhile and the price is another today.
        return Result(wallet, known.amount, fresh=False, closed=known.state is not State.RESERVED)
    amount = asked.price.worst_case(asked.input_tokens, asked.max_output_tokens)
    _demand_affordable(wallet, amount)
    book.put_reservation(
        Reservation(
            *key,
            input_sha256=asked.sha256,
            model=asked.model,
            input_tokens=asked.input_tokens,
            max_output_tokens=asked.max_output_tokens,
            amount=amount,
            price=asked.price,
            created_at=now,
            expires_at=now + timedelta(seconds=asked.ttl_s),
        )
    )
    return Result(book.set_aside(wallet, amount), amount)


def settle(book: Book, wallet: Wallet, asked: Settle, now: datetime) -> Result:
    """Charge what was used, and free the rest."""
    reservation = _reservation(book, asked)
    if reservation.state in (State.SETTLED, State.REVERSED):
        if reservation.closing_sha256 != asked.sha256:
            raise RequestConflictError.used_before()
        return Result(wallet, reservation.charged or 0, fresh=False)
    if reservation.state is not State.RESERVED:
        raise _closed(reservation)
    price = reservation.price
    full = price.cost(asked.usage)
    # The worst case was agreed to; whatever a provider reports, nobody pays more.
    charged = min(full, reservation.amount)
    provider_cost = cost_to_us(price, asked.usage, asked.source, asked.lost)
    book.put_reservation(
        replace(
            reservation,
            state=State.SETTLED,
            usage=asked.usage,
            outcome=asked.outcome,
            source=asked.source,
            charged=charged,
            provider_cost=provider_cost,
            lost=asked.lost,
            closing_sha256=asked.sha256,
            closed_at=now,
        )
    )
    after = book.debit(wallet, REVENUE, charged, Kind.TURN, asked.request_id, reserved=reservation.amount)
    _book_cost(book, asked, provider_cost)
    return Result(after, charged, clamped=full > charged)


def charge(book: Book, wallet: Wallet, asked: Charge, now: datetime) -> Result:
    """Charge what is used, if what is available affords it."""
    if (known := _same(book, asked)) is not None:
        if known.charged is None:
            raise _closed(known)
        # The first answer, also when the charge was given back since.
        return Result(wallet, known.charged, fresh=False)
    amount = asked.price.cost(asked.usage)
    _demand_affordable(wallet, amount)
    provider_cost = cost_to_us(asked.price, asked.usage, asked.source, NOTHING_USED)
    book.put_reservation(
        replace(
            _born_closed(asked, amount, now),
            state=State.SETTLED,
            usage=asked.usage,
            outcome="completed",
            source=asked.source,
            charged=amount,
            provider_cost=provider_cost,
            lost=NOTHING_USED,
        )
    )
    after = book.debit(wallet, REVENUE, amount, Kind.TURN, asked.request_id, reserved=0)
    _book_cost(book, asked, provider_cost)
    return Result(after, amount)


def void(book: Book, wallet: Wallet, asked: VoidCharge, now: datetime) -> Result:
    """Give a charge back; one that has not come yet is refused when it does."""
    known = _same(book, asked.charge)
    if known is None:
        book.put_reservation(_born_closed(asked.charge, asked.charge.price.cost(asked.charge.usage), now))
        return Result(book.set_aside(wallet, 0))
    if known.state is State.SETTLED:
        return _reversed(book, wallet, known)
    return Result(wallet, known.charged or 0, fresh=False)


def give_back(book: Book, wallet: Wallet, asked: Release | Expire, now: datetime) -> Result:
    """Free a whole reservation."""
    state = State.RELEASED if isinstance(asked, Release) else State.EXPIRED
    reservation = _reservation(book, asked)
    # Nothing is left to give back of what was released or has expired.
    if reservation.state in (State.RELEASED, State.EXPIRED):
        return Result(wallet, fresh=False)
    if reservation.state is not State.RESERVED or (state is State.EXPIRED and now < reservation.expires_at):
        raise _closed(reservation)
    book.put_reservation(replace(reservation, state=state, closed_at=now))
    return Result(book.set_aside(wallet, -reservation.amount))


def reverse(book: Book, wallet: Wallet, asked: ReverseTurn) -> Result:
    """Give the charge of a settled turn back; what it cost us stays."""
    reservation = _reservation(book, asked)
    if reservation.state is State.REVERSED:
        return Result(wallet, reservation.charged or 0, fresh=False)
    if reservation.state is not State.SETTLED:
        raise _closed(reservation)
    return _reversed(book, wallet, reservation)


def _reversed(book: Book, wallet: Wallet, settled: Reservation) -> Result:
    charged = settled.charged or 0
    book.put_reservation(replace(settled, state=State.REVERSED))
    return Result(book.credit(wallet, REVENUE, charged, Kind.REVERSAL, settled.request_id), charged)


def _same(book: Book, asked: Charge) -> Reservation | None:
    """What came of the same charge before."""
    known = book.reservations.get((asked.user_id, asked.request_id))
    if known is not None and known.input_sha256 != asked.sha256:
        raise RequestConflictError.used_before()
    return known


def _born_closed(asked: Charge, amount: int, now: datetime) -> Reservation:
    return Reservation(
        asked.user_id,
        asked.request_id,
        input_sha256=asked.sha256,
        model=asked.model,
        input_tokens=asked.usage.input,
        max_output_tokens=asked.usage.output,
        amount=amount,
        price=asked.price,
        created_at=now,
        expires_at=now,
        state=State.RELEASED,
        closing_sha256=asked.sha256,
        closed_at=now,
    )


def _demand_affordable(wallet: Wallet, amount: int) -> None:
    if amount > wallet.available:
        raise InsufficientQuotaError(
            f"The turn may cost {amount} micro-yuan and {wallet.available} are available: top up.",
            metadata={"required_micros": str(amount), "available_micros": str(wallet.available)},
        )


def _book_cost(book: Book, asked: Settle | Charge, provider_cost: int) -> None:
    if provider_cost:
        book.transfers.append(
            Transfer(PROVIDER_COST, PROVIDERS, provider_cost, Kind.COST, asked.user_id, asked.request_id)
        )


def _reservation(book: Book, asked: Settle | Release | Expire | ReverseTurn) -> Reservation:
    reservation = book.reservations.get((asked.user_id, asked.request_id))
    if reservation is None:
        raise ReservationNotFoundError.of_request()
    return reservation


def _closed(reservation: Reservation) -> ReservationClosedError:
    return ReservationClosedError(
        f"The reservation is {reservation.state.value}.", metadata={"state": reservation.state.value}
    )
