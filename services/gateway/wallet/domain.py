"""What a wallet's owner may know: what moved it, what each turn cost and why, what things cost. Pure.

Money is int micro-yuan (CNY × 10⁻⁶); a provider's prices are int micro-dollars (USD × 10⁻⁶) for a million tokens.
Times are whole seconds since 1970 UTC.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one turn or of many; the cached ones are part of the input."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What a model costs; `model` "*" is every model without a price of its own.

    The markup is in basis points (1/100 of a percent), the exchange rate in micro-yuan for a dollar. On a receipt
    nothing says since when the price holds, and `effective_s` is None.
    """

    model: str
    input_usd_micros_per_million: int
    cached_input_usd_micros_per_million: int
    output_usd_micros_per_million: int
    markup_basis_points: int
    cny_micros_per_usd: int
    # What a user pays for a million tokens, in micro-yuan.
    input_micros_per_million: int
    cached_input_micros_per_million: int
    output_micros_per_million: int
    effective_s: int | None = None


@dataclass(frozen=True, slots=True)
class PriceList:
    """Every model's price, and where the exchange rate comes from, since when."""

    prices: tuple[ModelPrice, ...]
    rate_source: str
    rate_s: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a turn cost.

    `state` is reserved, settled, released, expired or reversed; `outcome` is completed, cancelled, failed or refused;
    `source` is model or cache. A word that this gateway does not know, or that was not said, is "". `usage` is None
    unless the turn was charged.
    """

    request_id: str
    model: str
    state: str
    outcome: str
    source: str
    usage: TokenUsage | None
    price: ModelPrice
    reserved_micros: int
    charged_micros: int
    created_s: int
    closed_s: int | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """What moved a balance. `kind` is trial, grant, turn, reversal, topup or refund, "" when it is newer than we are.

    `amount_micros` is negative when the money left; only a turn has a receipt.
    """

    id: int
    kind: str
    amount_micros: int
    balance_after_micros: int
    request_id: str
    created_s: int
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class UsageLine:
    """The charged turns of one day (UTC+8, YYYY-MM-DD) and model."""

    day: str
    model: str
    turns: int
    tokens: TokenUsage
    charged_micros: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """A prepaid wallet, in micro-yuan (CNY × 10⁻⁶); available is balance less reserved."""

    balance_micros: int = 0
    reserved_micros: int = 0
    available_micros: int = 0
