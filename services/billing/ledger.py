"""The rules of the ledger. Pure: what is decided here, over rows that are locked, is what the tables then say.

A wallet owns `balance` and has set `reserved` of it aside; what is available is the difference, and is never negative.
A reservation is opened once and closed once: settled, released or expired. Money moves only by transfers, each from
one account to another, so the journal balances by construction. A reservation moves nothing.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from services.billing.domain import (
    PROMOTIONS,
    REVENUE,
    TRIAL,
    Expire,
    Grant,
    GrantCredit,
    Key,
    OpenWallet,
    Operation,
    Release,
    Reservation,
    Reserve,
    Result,
    Settle,
    State,
    Transfer,
    Wallet,
    wallet_account,
)
from services.billing.errors import (
    InsufficientQuotaError,
    RequestConflictError,
    ReservationClosedError,
    ReservationNotFoundError,
    WalletNotFoundError,
)
from services.runtime.errors import ServiceError


@dataclass(slots=True)
class Book:
    """The locked rows that a batch of operations is decided over, and what it changed in them."""

    wallets: dict[str, Wallet] = field(default_factory=dict)
    reservations: dict[Key, Reservation] = field(default_factory=dict)
    grants: dict[Key, Grant] = field(default_factory=dict)
    changed_wallets: set[str] = field(default_factory=set)
    changed_reservations: set[Key] = field(default_factory=set)
    new_grants: list[Grant] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    def decide(self, operation: Operation, now: datetime) -> Result | ServiceError:
        """Carry an operation out, or say why not; one that is refused changes nothing."""
        try:
            wallet = self.wallets.get(operation.user_id)
            if wallet is None:
                raise _nothing_there(operation)
            match operation:
                case OpenWallet():
                    grant = Grant(wallet.user_id, TRIAL, operation.trial_credit, "trial credit")
                    # The trial is given once, whatever its amount is today.
                    known = (wallet.user_id, TRIAL) in self.grants
                    return Result(wallet, fresh=False) if known else self._grant(wallet, grant, "trial")
                case GrantCredit():
                    grant = Grant(wallet.user_id, operation.request_id, operation.amount, operation.reason)
                    return self._grant(wallet, grant, "grant")
                case Reserve():
                    return self._reserve(wallet, operation, now)
                case Settle():
                    return self._settle(wallet, operation, now)
                case Release():
                    return self._give_back(wallet, operation, State.RELEASED, now)
                case Expire():
                    return self._give_back(wallet, operation, State.EXPIRED, now)
                case _:
                    assert_never(operation)
        except ServiceError as error:
            return error

    def _grant(self, wallet: Wallet, grant: Grant, kind: str) -> Result:
        key = (grant.user_id, grant.request_id)
        if (known := self.grants.get(key)) is not None:
            if known != grant:
                raise _conflict()
            return Result(wallet, grant.amount, fresh=False)
        self.grants[key] = grant
        self.new_grants.append(grant)
        if grant.amount:
            self._transfer(PROMOTIONS, wallet_account(wallet.user_id), grant.amount, kind, key)
        return Result(self._put(replace(wallet, balance=wallet.balance + grant.amount)), grant.amount)

    def _reserve(self, wallet: Wallet, asked: Reserve, now: datetime) -> Result:
        key, ttl = (asked.user_id, asked.request_id), timedelta(seconds=asked.ttl_s)
        if (known := self.reservations.get(key)) is not None:
            then = (known.model, known.input_tokens, known.max_output_tokens, known.expires_at - known.created_at)
            if then != (asked.model, asked.input_tokens, asked.max_output_tokens, ttl):
                raise _conflict()
            # The first answer, even when the reservation was closed meanwhile and the price is another today.
            return Result(wallet, known.amount, fresh=False)
        amount = asked.price.worst_case(asked.input_tokens, asked.max_output_tokens)
        if amount > wallet.available:
            raise InsufficientQuotaError(
                f"The turn may cost {amount} micro-yuan and {wallet.available} are available: top up.",
                metadata={"required_micros": str(amount), "available_micros": str(wallet.available)},
            )
        self._set(
            Reservation(
                *key,
                model=asked.model,
                input_tokens=asked.input_tokens,
                max_output_tokens=asked.max_output_tokens,
                amount=amount,
                price=asked.price,
                created_at=now,
                expires_at=now + ttl,
            )
        )
        return Result(self._put(replace(wallet, reserved=wallet.reserved + amount)), amount)

    def _settle(self, wallet: Wallet, asked: Settle, now: datetime) -> Result:
        reservation = self._reservation(asked)
        if reservation.state is State.SETTLED:
            if (reservation.usage, reservation.outcome) != (asked.usage, asked.outcome):
                raise _conflict()
            return Result(wallet, reservation.charged or 0, fresh=False)
        if reservation.state is not State.RESERVED:
            raise _closed(reservation)
        cost = reservation.price.cost(asked.usage)
        # The worst case was agreed to; whatever a provider reports, nobody pays more.
        charged = min(cost, reservation.amount)
        self._set(
            replace(
                reservation,
                state=State.SETTLED,
                usage=asked.usage,
                outcome=asked.outcome,
                charged=charged,
                closed_at=now,
            )
        )
        if charged:
            key = (asked.user_id, asked.request_id)
            self._transfer(wallet_account(wallet.user_id), REVENUE, charged, "turn", key)
        after = replace(wallet, balance=wallet.balance - charged, reserved=wallet.reserved - reservation.amount)
        return Result(self._put(after), charged, clamped=cost > charged)

    def _give_back(self, wallet: Wallet, asked: Release | Expire, state: State, now: datetime) -> Result:
        reservation = self._reservation(asked)
        # Nothing is left to give back of what was released or has expired.
        if reservation.state in (State.RELEASED, State.EXPIRED):
            return Result(wallet, fresh=False)
        if reservation.state is not State.RESERVED or (state is State.EXPIRED and now < reservation.expires_at):
            raise _closed(reservation)
        self._set(replace(reservation, state=state, closed_at=now))
        return Result(self._put(replace(wallet, reserved=wallet.reserved - reservation.amount)))

    def _reservation(self, asked: Settle | Release | Expire) -> Reservation:
        reservation = self.reservations.get((asked.user_id, asked.request_id))
        if reservation is None:
            raise _nothing_there(asked)
        return reservation

    def _put(self, wallet: Wallet) -> Wallet:
        if wallet.reserved < 0 or wallet.available < 0:
            raise AssertionError("a wallet below zero: the ledger's rules are broken")
        self.wallets[wallet.user_id] = wallet
        self.changed_wallets.add(wallet.user_id)
        return wallet

    def _set(self, reservation: Reservation) -> None:
        key = (reservation.user_id, reservation.request_id)
        self.reservations[key] = reservation
        self.changed_reservations.add(key)

    def _transfer(self, debit: str, credit: str, amount: int, kind: str, key: Key) -> None:
        self.transfers.append(Transfer(debit, credit, amount, kind, *key))


def _nothing_there(operation: Operation) -> ServiceError:
    if isinstance(operation, Settle | Release | Expire):
        return ReservationNotFoundError("There is no reservation of this request_id.")
    return WalletNotFoundError("The user has no wallet: open one, or grant credit.")


def _conflict() -> RequestConflictError:
    return RequestConflictError("This request_id was used before with other content: use a new one.")


def _closed(reservation: Reservation) -> ReservationClosedError:
    return ReservationClosedError(
        f"The reservation is {reservation.state.value}.", metadata={"state": reservation.state.value}
    )
