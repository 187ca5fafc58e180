"""The protos of billing's wallets."""

from queqiao.billing.v1 import billing_pb2

from services.gateway.edge.enums import word
from services.gateway.wallet.domain import ModelPrice, PriceList, Receipt, TokenUsage, Transaction, UsageLine, Wallet


def wallet(wallet: billing_pb2.Wallet) -> Wallet:
    """A wallet."""
    return Wallet(wallet.balance_micros, wallet.reserved_micros, wallet.available_micros)


def transaction(transaction: billing_pb2.Transaction) -> Transaction:
    """What moved a balance."""
    return Transaction(
        id=transaction.id,
        kind=word(billing_pb2.TransactionKind.DESCRIPTOR, transaction.kind),
        amount_micros=transaction.amount_micros,
        balance_after_micros=transaction.balance_after_micros,
        request_id=transaction.request_id,
        created_s=transaction.create_time.seconds,
        receipt=receipt(transaction.receipt) if transaction.HasField("receipt") else None,
    )


def receipt(receipt: billing_pb2.Receipt) -> Receipt:
    """A turn's receipt."""
    charged = receipt.HasField("usage")
    return Receipt(
        request_id=receipt.request_id,
        model=receipt.model,
        state=word(billing_pb2.ReceiptState.DESCRIPTOR, receipt.state),
        outcome=word(billing_pb2.TurnOutcome.DESCRIPTOR, receipt.outcome),
        # A source that is not said is the model; a turn that was not charged has none.
        source=(word(billing_pb2.AnswerSource.DESCRIPTOR, receipt.source) or "model") if charged else "",
        usage=_tokens(receipt.usage) if charged else None,
        price=price(receipt.price),
        reserved_micros=receipt.reserved_micros,
        charged_micros=receipt.charged_micros,
        created_s=receipt.create_time.seconds,
        closed_s=receipt.close_time.seconds if receipt.HasField("close_time") else None,
    )


def price(price: billing_pb2.ModelPrice) -> ModelPrice:
    """What a model costs."""
    return ModelPrice(
        model=price.model,
        input_usd_micros_per_million=price.input_usd_micros_per_million,
        cached_input_usd_micros_per_million=price.cached_input_usd_micros_per_million,
        output_usd_micros_per_million=price.output_usd_micros_per_million,
        markup_basis_points=price.markup_basis_points,
        cny_micros_per_usd=price.cny_micros_per_usd,
        input_micros_per_million=price.input_micros_per_million,
        cached_input_micros_per_million=price.cached_input_micros_per_million,
        output_micros_per_million=price.output_micros_per_million,
        effective_s=price.effective_time.seconds if price.HasField("effective_time") else None,
    )


def prices(response: billing_pb2.ListPricesResponse) -> PriceList:
    """Every model's price."""
    return PriceList(
        prices=tuple(price(each) for each in response.prices),
        rate_source=response.exchange_rate_source,
        rate_s=response.exchange_rate_time.seconds if response.HasField("exchange_rate_time") else None,
    )


def usage_line(line: billing_pb2.UsageLine) -> UsageLine:
    """The turns of a day and a model."""
    return UsageLine(line.day, line.model, line.turns, _tokens(line), line.charged_micros)


def _tokens(tokens: billing_pb2.Usage | billing_pb2.UsageLine) -> TokenUsage:
    return TokenUsage(tokens.input_tokens, tokens.cached_input_tokens, tokens.output_tokens)
