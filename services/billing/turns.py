"""The rules of turns. Pure.

A reservation is opened once and closed once: settled, released or expired. A reservation moves nothing; settling it
moves what the turn is charged to revenue, and books what it cost us.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from services.billing.book import Book
from services.billing.domain import (
    PROVIDER_COST,
    PROVIDERS,
    REVENUE,
    Expire,
    Kind,
    Release,
    Reservation,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
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


def reserve(book: Book, wallet: Wallet, asked: Reserve, now: datetime) -> Result:
    """Set the worst case aside."""
    key = (asked.user_id, asked.request_id)
    if (known := book.reservations.get(key)) is not None:
        if known.input_sha256 != asked.sha256:
            raise RequestConflictError.used_before()
        # The first answer, even when the reservation was closed meanwhile and the price is another today.
        return Result(wallet, known.amount, fresh=False, closed=known.state is not State.RESERVED)
    amount = asked.price.worst_case(asked.input_tokens, asked.max_output_tokens)
    if amount > wallet.available:
        raise InsufficientQuotaError(
            f"The turn may cost {amount} micro-yuan and {wallet.available} are available: top up.",
            metadata={"required_micros": str(amount), "available_micros": str(wallet.available)},
        )
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
    if provider_cost:
        book.transfers.append(
            Transfer(PROVIDER_COST, PROVIDERS, provider_cost, Kind.COST, asked.user_id, asked.request_id)
        )
    return Result(after, charged, clamped=full > charged)


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
    charged = reservation.charged or 0
    if reservation.state is State.REVERSED:
        return Result(wallet, charged, fresh=False)
    if reservation.state is not State.SETTLED:
        raise _closed(reservation)
    book.put_reservation(replace(reservation, state=State.REVERSED))
    return Result(book.credit(wallet, REVENUE, charged, Kind.REVERSAL, asked.request_id), charged)


def _reservation(book: Book, asked: Settle | Release | Expire | ReverseTurn) -> Reservation:
    reservation = book.reservations.get((asked.user_id, asked.request_id))
    if reservation is None:
        raise ReservationNotFoundError.of_request()
    return reservation


def _closed(reservation: Reservation) -> ReservationClosedError:
    return ReservationClosedError(
        f"The reservation is {reservation.state.value}.", metadata={"state": reservation.state.value}
    )
