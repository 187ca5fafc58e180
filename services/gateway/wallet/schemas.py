"""Money as the public API shows it. Amounts are in micro-yuan (CNY × 10⁻⁶), and in yuan as decimal texts."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from services.gateway.policy.view import View
from services.gateway.wallet.domain import ModelPrice, Receipt, TokenUsage, Transaction, UsageLine, Wallet
from services.gateway.wallet.explanations import explanation
from services.gateway.wallet.money import yuan


class WalletShape(msgspec.Struct):
    """A wallet: what is owned, what running turns have set aside, and what is left to spend."""

    balance_micros: int
    reserved_micros: int
    available_micros: int
    available: str
    currency: Literal["CNY"] = "CNY"
    object: Literal["wallet"] = "wallet"

    @classmethod
    def of(cls, wallet: Wallet) -> "WalletShape":
        """A wallet of billing."""
        available = yuan(wallet.available_micros)
        return cls(wallet.balance_micros, wallet.reserved_micros, wallet.available_micros, available)


class Tokens(msgspec.Struct):
    """Tokens that were used; cached input tokens are part of the input tokens."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, usage: TokenUsage) -> "Tokens":
        """Usage as billing tells it."""
        return cls(usage.input_tokens, usage.cached_input_tokens, usage.output_tokens)


class Terms(msgspec.Struct):
    """What a price is made of: micro-dollars a million tokens, the markup, the exchange rate."""

    model: str
    input_usd_micros_per_million: int
    cached_input_usd_micros_per_million: int
    output_usd_micros_per_million: int
    markup_basis_points: int
    cny_micros_per_usd: int

    @classmethod
    def of(cls, price: ModelPrice, view: View) -> "Terms":
        """A price of billing."""
        return cls(
            view.model(price.model),
            price.input_usd_micros_per_million,
            price.cached_input_usd_micros_per_million,
            price.output_usd_micros_per_million,
            price.markup_basis_points,
            price.cny_micros_per_usd,
        )


class Price(Terms, kw_only=True):
    """What a million tokens of a model cost now, in micro-yuan; `effective` in seconds since 1970 UTC."""

    effective: int | None
    input_micros_per_million: int
    cached_input_micros_per_million: int
    output_micros_per_million: int
    currency: Literal["CNY"] = "CNY"
    object: Literal["price"] = "price"

    @classmethod
    def of(cls, price: ModelPrice, view: View) -> "Price":
        """A price of billing."""
        return cls(
            **msgspec.structs.asdict(Terms.of(price, view)),
            effective=price.effective_s,
            input_micros_per_million=price.input_micros_per_million,
            cached_input_micros_per_million=price.cached_input_micros_per_million,
            output_micros_per_million=price.output_micros_per_million,
        )


class ReceiptShape(msgspec.Struct):
    """What one turn cost, and why, in a sentence of the user's language."""

    request_id: str
    model: str
    state: str
    outcome: str | None
    source: str | None
    usage: Tokens | None
    price: Terms
    reserved_micros: int
    charged_micros: int
    charged: str
    created: int
    closed: int | None
    explanation: str
    currency: Literal["CNY"] = "CNY"
    object: Literal["receipt"] = "receipt"

    @classmethod
    def of(cls, receipt: Receipt, view: View) -> "ReceiptShape":
        """A receipt of billing."""
        return cls(
            request_id=receipt.request_id,
            model=view.model(receipt.model),
            state=receipt.state or "other",
            outcome=receipt.outcome or None,
            source=receipt.source or None,
            usage=None if receipt.usage is None else Tokens.of(receipt.usage),
            price=Terms.of(receipt.price, view),
            reserved_micros=receipt.reserved_micros,
            charged_micros=receipt.charged_micros,
            charged=yuan(receipt.charged_micros),
            created=receipt.created_s,
            closed=receipt.closed_s,
            explanation=explanation(receipt, view.language),
        )


class TransactionShape(msgspec.Struct):
    """What moved the balance; a negative amount left the wallet. A charge carries its receipt."""

    id: str
    kind: str
    amount_micros: int
    amount: str
    balance_after_micros: int
    request_id: str
    created: int
    receipt: ReceiptShape | msgspec.UnsetType = msgspec.UNSET
    currency: Literal["CNY"] = "CNY"
    object: Literal["transaction"] = "transaction"

    @classmethod
    def of(cls, transaction: Transaction, view: View) -> "TransactionShape":
        """A transaction of billing."""
        receipt = transaction.receipt
        return cls(
            id=str(transaction.id),
            kind=transaction.kind or "other",
            amount_micros=transaction.amount_micros,
            amount=yuan(transaction.amount_micros),
            balance_after_micros=transaction.balance_after_micros,
            request_id=transaction.request_id,
            created=transaction.created_s,
            receipt=msgspec.UNSET if receipt is None else ReceiptShape.of(receipt, view),
        )


class UsageSum(Tokens):
    """What some turns used and cost together."""

    turns: int
    charged_micros: int
    charged: str

    @classmethod
    def over(cls, lines: Iterable[UsageLine]) -> "UsageSum":
        """The sum of these."""
        lines = list(lines)
        charged_micros = sum(line.charged_micros for line in lines)
        return cls(
            input_tokens=sum(line.tokens.input_tokens for line in lines),
            cached_input_tokens=sum(line.tokens.cached_input_tokens for line in lines),
            output_tokens=sum(line.tokens.output_tokens for line in lines),
            turns=sum(line.turns for line in lines),
            charged_micros=charged_micros,
            charged=yuan(charged_micros),
        )


class UsageOfDay(UsageSum, kw_only=True):
    """The charged turns of one model on one day of UTC+8."""

    day: str
    model: str

    @classmethod
    def of_line(cls, line: UsageLine, view: View) -> "UsageOfDay":
        """A line of billing."""
        return cls(**msgspec.structs.asdict(UsageSum.over([line])), day=line.day, model=view.model(line.model))


class Usage(msgspec.Struct):
    """The charged turns by day and model, and their sum."""

    start: str
    end: str
    lines: list[UsageOfDay]
    totals: UsageSum
    object: Literal["usage"] = "usage"
