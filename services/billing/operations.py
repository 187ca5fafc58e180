"""What can be asked of the ledger, and what it comes to. Pure.

Amounts are int micro-yuan (CNY × 10⁻⁶).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.billing.domain import TRIAL, Source, Wallet
from services.billing.pricing import NOTHING_USED, Price, Usage


@dataclass(frozen=True, slots=True)
class OpenWallet:
    """Open a wallet with its trial credit."""

    user_id: str
    trial_credit: int
    request_id: str = TRIAL


@dataclass(frozen=True, slots=True)
class GrantCredit:
    """Give credit away."""

    user_id: str
    request_id: str
    amount: int
    reason: str

    @property
    def sha256(self) -> bytes:
        """The hash of what is asked."""
        return _sha256("grant", self.amount, self.reason)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Set the worst case aside."""

    user_id: str
    request_id: str
    model: str
    input_tokens: int
    max_output_tokens: int
    price: Price
    ttl_s: int

    @property
    def sha256(self) -> bytes:
        """The hash of what is asked; the price is ours, and no part of it."""
        return _sha256("reserve", self.input_tokens, self.max_output_tokens, self.ttl_s, self.model)


@dataclass(frozen=True, slots=True)
class Settle:
    """Charge what was used; `lost` are tokens of calls for the turn that were given up, which the user does not pay."""

    user_id: str
    request_id: str
    usage: Usage
    outcome: str
    source: Source = Source.MODEL
    lost: Usage = NOTHING_USED

    @property
    def sha256(self) -> bytes:
        """The hash of what is asked; what was lost is part of it only where something was."""
        lost = () if self.lost == NOTHING_USED else self.lost.counts
        return _sha256("settle", *self.usage.counts, self.outcome, self.source, *lost)


@dataclass(frozen=True, slots=True)
class Release:
    """Give everything back."""

    user_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Charge:
    """Charge a turn at once, without a reservation: what it uses is known before it is shown.

    `run_id` names one run of the turn: another one under the same request_id asks for something else.
    """

    user_id: str
    request_id: str
    model: str
    usage: Usage
    source: Source
    run_id: str
    price: Price

    @property
    def sha256(self) -> bytes:
        """The hash of what is asked; the price is ours, and no part of it."""
        return _sha256("charge", *self.usage.counts, self.source, self.run_id, self.model)


@dataclass(frozen=True, slots=True)
class VoidCharge:
    """Undo a charge, whether it has been written or is still on its way."""

    charge: Charge

    @property
    def user_id(self) -> str:
        """Who paid, or would."""
        return self.charge.user_id

    @property
    def request_id(self) -> str:
        """The turn."""
        return self.charge.request_id


@dataclass(frozen=True, slots=True)
class Expire:
    """Give everything back because the reservation's time is over."""

    user_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class ReverseTurn:
    """Give back what a settled turn was charged."""

    user_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class PayOrder:
    """Credit an order that was paid; `request_id` is its out_trade_no."""

    user_id: str
    request_id: str
    amount_fen: int
    transaction_id: str
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class HoldRefund:
    """Hold money of a top-up back while it is refunded; `request_id` is the refund's out_refund_no.

    An amount of 0 is all that is left of the top-up.
    """

    user_id: str
    request_id: str
    # The caller's own id.
    caller_request_id: str
    out_trade_no: str
    amount_fen: int
    reason: str

    @property
    def sha256(self) -> bytes:
        """The hash of what is asked."""
        return _sha256("refund", self.out_trade_no, self.amount_fen, self.reason)


class RefundEnd(StrEnum):
    """How a held refund goes on."""

    DONE = "done"
    CANCELLED = "cancelled"
    ABNORMAL = "abnormal"


@dataclass(frozen=True, slots=True)
class EndRefund:
    """Pay a held refund out, or put it back into the wallet; `request_id` is the refund's out_refund_no."""

    user_id: str
    request_id: str
    end: RefundEnd
    refund_id: str = ""


# Everything that changes the ledger.
Operation = (
    OpenWallet
    | GrantCredit
    | Reserve
    | Settle
    | Release
    | Charge
    | VoidCharge
    | Expire
    | ReverseTurn
    | PayOrder
    | HoldRefund
    | EndRefund
)


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation came to: the wallet after it, and the amount it moved or set aside, in micro-yuan.

    `fresh` is False when it was done before and nothing changed now; `clamped` is True when a turn used more than was
    set aside for it, and was charged no more than that. `closed` is True for a reserve that was repeated after its
    reservation had ended: nothing is set aside any more.
    """

    wallet: Wallet
    amount: int = 0
    fresh: bool = True
    clamped: bool = False
    closed: bool = False


def _sha256(*parts: str | int) -> bytes:
    """The hash of parts joined by line feeds; only the last may contain one."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
