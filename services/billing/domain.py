"""What the ledger keeps. Pure.

Amounts are int micro-yuan (CNY × 10⁻⁶).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.billing.pricing import Price, Usage

# The accounts of the journal, beside a `wallet:<user>` for every user. A balance is credits less debits.
# What turns paid.
REVENUE = "revenue"
# What was given away.
PROMOTIONS = "promotions"
# What payment providers took in for us and have not given back.
CLEARING = "clearing"
# What turns cost us, and to whom we owe it.
PROVIDER_COST = "provider_cost"
PROVIDERS = "providers"

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
    # Settled, and the charge given back.
    REVERSED = "reversed"


class Source(StrEnum):
    """Who wrote an answer."""

    MODEL = "model"
    CACHE = "cache"


def cost_to_us(price: Price, usage: Usage, source: Source, lost: Usage) -> int:
    """What providers charge us for a turn, in micro-yuan: the answer, unless it was cached, and calls given up."""
    return (0 if source is Source.CACHE else price.provider_cost(usage)) + price.provider_cost(lost)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for a turn, at the price of that moment; once closed, its receipt.

    `input_sha256` and `closing_sha256` are the hashes of what was asked when it was opened and settled; of a turn that
    was charged at once both are the same. `lost` is used by calls that were given up; None unless settled, and of turns
    that were settled before that was recorded.
    """

    user_id: str
    request_id: str
    input_sha256: bytes
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
    source: Source | None = None
    charged: int | None = None
    provider_cost: int | None = None
    lost: Usage | None = None
    closing_sha256: bytes | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit that was given away."""

    user_id: str
    request_id: str
    input_sha256: bytes
    amount: int
    reason: str


class Kind(StrEnum):
    """Why money moved."""

    TRIAL = "trial"
    GRANT = "grant"
    TURN = "turn"
    # What a turn cost us.
    COST = "cost"
    REVERSAL = "reversal"
    TOPUP = "topup"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that moved; the amount is positive. `wallet_balance` is the wallet's after it, where one is part of it."""

    debit_account: str
    credit_account: str
    amount: int
    kind: Kind
    user_id: str
    request_id: str
    wallet_balance: int | None = None


# user_id, request_id: the request_id is the caller's, and unique per user.
Key = tuple[str, str]
