"""The rules of the ledger. Pure: what is decided here, over rows that are locked, is what the tables then say.

Turns are in turns.py, top-ups and refunds in payments/rules.py, given credit here.
"""

from datetime import datetime
from typing import assert_never

from services.billing import turns
from services.billing.book import Book
from services.billing.domain import PROMOTIONS, TRIAL, Grant, Kind, Wallet
from services.billing.errors import RequestConflictError, ReservationNotFoundError, WalletNotFoundError
from services.billing.operations import (
    Charge,
    EndRefund,
    Expire,
    GrantCredit,
    HoldRefund,
    OpenWallet,
    Operation,
    PayOrder,
    Release,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
    VoidCharge,
)
from services.billing.payments import rules
from services.runtime.errors import ServiceError


def decide(book: Book, operation: Operation, now: datetime) -> Result | ServiceError:
    """Carry an operation out, or say why not; one that is refused changes nothing."""
    wallet = book.wallets.get(operation.user_id)
    if wallet is None:
        return _nothing_there(operation)
    try:
        return _carry_out(book, wallet, operation, now)
    except ServiceError as error:
        return error


def _carry_out(book: Book, wallet: Wallet, operation: Operation, now: datetime) -> Result:
    match operation:
        case Reserve():
            return turns.reserve(book, wallet, operation, now)
        case Settle():
            return turns.settle(book, wallet, operation, now)
        case Release() | Expire():
            return turns.give_back(book, wallet, operation, now)
        case Charge():
            return turns.charge(book, wallet, operation, now)
        case VoidCharge():
            return turns.void(book, wallet, operation, now)
        case ReverseTurn():
            return turns.reverse(book, wallet, operation)
        case OpenWallet():
            return _open(book, wallet, operation)
        case GrantCredit():
            return _grant(book, wallet, operation)
        case PayOrder():
            return rules.pay(book, wallet, operation)
        case HoldRefund():
            return rules.hold(book, wallet, operation, now)
        case EndRefund():
            return rules.end(book, wallet, operation, now)
        case _:
            assert_never(operation)


def _open(book: Book, wallet: Wallet, asked: OpenWallet) -> Result:
    # The trial is given once, whatever its amount is today.
    if (wallet.user_id, TRIAL) in book.grants:
        return Result(wallet, fresh=False)
    trial = GrantCredit(wallet.user_id, TRIAL, asked.trial_credit, "trial credit")
    return _give(book, wallet, trial, Kind.TRIAL)


def _grant(book: Book, wallet: Wallet, asked: GrantCredit) -> Result:
    if (known := book.grants.get((asked.user_id, asked.request_id))) is not None:
        if known.input_sha256 != asked.sha256:
            raise RequestConflictError.used_before()
        return Result(wallet, known.amount, fresh=False)
    return _give(book, wallet, asked, Kind.GRANT)


def _give(book: Book, wallet: Wallet, asked: GrantCredit, kind: Kind) -> Result:
    book.put_grant(Grant(asked.user_id, asked.request_id, asked.sha256, asked.amount, asked.reason))
    return Result(book.credit(wallet, PROMOTIONS, asked.amount, kind, asked.request_id), asked.amount)


def _nothing_there(operation: Operation) -> ServiceError:
    if isinstance(operation, Settle | Release | Expire | ReverseTurn):
        return ReservationNotFoundError.of_request()
    return WalletNotFoundError("The user has no wallet: open one, or grant credit.")
