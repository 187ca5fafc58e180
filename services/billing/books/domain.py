"""What the books say. Pure. Amounts are int micro-yuan (CNY × 10⁻⁶)."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from services.billing.domain import Kind, Reservation
from services.billing.money import round_half_up


@dataclass(frozen=True, slots=True)
class Transaction:
    """Money that moved into (positive) or out of (negative) a wallet; `turn` says what a turn was charged for."""

    id: int
    kind: Kind
    amount: int
    balance_after: int
    request_id: str
    created_at: datetime
    turn: Reservation | None = None


@dataclass(frozen=True, slots=True)
class UsageLine:
    """A user's charged turns of one day (in China) and model."""

    day: date
    model: str
    turns: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    charged: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What questions cost us. Those that the cache or a model of our own answered count, and cost nothing."""

    questions: int = 0
    cached_questions: int = 0
    own_model_questions: int = 0
    provider_cost: int = 0
    revenue: int = 0

    @property
    def per_thousand(self) -> int:
        """Cost per thousand questions: provider cost × 1,000 ÷ questions; 0 when there was no question.

        Example: 10,000 questions, of which 4,000 were answered by the cache and 1,000 by a model of our own, and the
        other 5,000 cost us ¥1.80: ¥0.18 per thousand.
        """
        return round_half_up(self.provider_cost * 1_000, self.questions) if self.questions else 0


class Check(StrEnum):
    """What the verifier proves."""

    # Accounts add up to zero, and every entry is between the accounts of its kind.
    BALANCE = "balance"
    # No entry was changed, removed or slipped in.
    CHAIN = "chain"
    # Wallets say what the journal says.
    PROJECTION = "projection"
    # Nothing is reserved that nobody will free, and every charge and cost is what its tokens and its price come to.
    RESERVATION = "reservation"
    # Every turn, grant, order and refund moved its money exactly once.
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and with what."""

    check: Check
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verifier read and found; `heads` are (chain id, length, hash)."""

    transfers: int
    wallets: int
    balances: dict[str, int]
    heads: tuple[tuple[int, int, bytes], ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
