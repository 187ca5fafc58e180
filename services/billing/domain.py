"""What the ledger keeps, and what can be asked of it. Pure.

Amounts are int micro-yuan (CNY × 10⁻⁶). Accounts of the journal: `wallet:<user>` of a user, `revenue` what turns paid,
`promotions` what was given away.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.billing.pricing import Price, Usage

REVENUE = "revenue"
PROMOTIONS = "promotions"

# The request_id of the trial credit; the colon keeps it apart from every id that a caller can choose.
TRIAL = "trial:credit"


def wallet_account(user_id: str) -> str:
    """The account of a user's wallet in the journal."""
    return f"wallet:{user_id}"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A prepaid wallet; amounts in micro-yuan."""

    user_id: str
    balance: int = 0
    reserved: int = 0

    @property
    def available(self) -> int:
        """What can be spent now."""
        return self.balance - self.reserved


class State(StrEnum):
    """The life of a reservation."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for a turn, at the price of that moment; once closed, its receipt."""

    user_id: str
    request_id: str
    model: str
    input_tokens: int
    max_output_tokens: int
    amount: int
    price: Price
    created_at: datetime
    expires_at: datetime
    state: State = State.RESERVED
    usage: Usage | None = None
    outcome: str | None = None
    charged: int | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit that was given away."""

    user_id: str
    request_id: str
    amount: int
    reason: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that moved; the amount is positive."""

    debit_account: str
    credit_account: str
    amount: int
    kind: str
    user_id: str
    request_id: str


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


@dataclass(frozen=True, slots=True)
class Settle:
    """Charge what was used."""

    user_id: str
    request_id: str
    usage: Usage
    outcome: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give everything back."""

    user_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Give everything back because the reservation's time is over."""

    user_id: str
    request_id: str


# Everything that changes the ledger.
Operation = OpenWallet | GrantCredit | Reserve | Settle | Release | Expire
# user_id, request_id: the request_id is the caller's, and unique per user.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation came to: the wallet after it, and the amount granted, set aside or charged, in micro-yuan.

    `fresh` is False when it was done before and nothing changed now; `clamped` is True when a turn used more than was
    set aside for it, and was charged no more than that.
    """

    wallet: Wallet
    amount: int = 0
    fresh: bool = True
    clamped: bool = False
