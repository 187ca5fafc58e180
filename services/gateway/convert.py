"""Protos to the domain and back."""

from collections.abc import Iterable

from google.protobuf.descriptor import EnumDescriptor
from queqiao.billing.v1 import billing_pb2, payments_pb2
from queqiao.chat.v1 import chat_pb2

from services.gateway.domain import Completed, Delta, Event, Model, Question, Role, Started, Wallet
from services.gateway.orders import Callback, Channel, Offers, Order, Package, Payer, Purchase
from services.gateway.wallets import ModelPrice, PriceList, Receipt, TokenUsage, Transaction, UsageLine

_ROLES = {
    Role.SYSTEM: chat_pb2.ROLE_SYSTEM,
    Role.USER: chat_pb2.ROLE_USER,
    Role.ASSISTANT: chat_pb2.ROLE_ASSISTANT,
}

_CHANNELS = {
    Channel.JSAPI: payments_pb2.PAYMENT_CHANNEL_JSAPI,
    Channel.NATIVE: payments_pb2.PAYMENT_CHANNEL_NATIVE,
    Channel.JSAPI_V2: payments_pb2.PAYMENT_CHANNEL_JSAPI_V2,
    Channel.VIRTUAL: payments_pb2.PAYMENT_CHANNEL_VIRTUAL,
}


def turn_request(request_id: str, user_id: str, question: Question) -> chat_pb2.StreamTurnRequest:
    """A question on the wire."""
    parameters = question.parameters
    return chat_pb2.StreamTurnRequest(
        request_id=request_id,
        user_id=user_id,
        conversation_id=question.conversation_id,
        model=question.model,
        messages=[
            chat_pb2.Message(role=_ROLES[message.role], content=message.content) for message in question.messages
        ],
        parameters=chat_pb2.GenerationParameters(
            max_output_tokens=parameters.max_output_tokens,
            temperature=parameters.temperature,
            top_p=parameters.top_p,
            presence_penalty=parameters.presence_penalty,
            frequency_penalty=parameters.frequency_penalty,
            seed=parameters.seed,
            stop=parameters.stop,
        ),
    )


def event(response: chat_pb2.StreamTurnResponse) -> Event | None:
    """What happened; None for an event that is newer than this gateway."""
    match response.WhichOneof("event"):
        case "delta":
            return Delta(response.delta.text)
        case "started":
            return Started(response.started.conversation_id, response.started.model)
        case "completed":
            done = response.completed
            return Completed(
                finish_reason="length" if done.finish_reason == chat_pb2.FINISH_REASON_LENGTH else "stop",
                input_tokens=done.usage.input_tokens,
                cached_input_tokens=done.usage.cached_input_tokens,
                output_tokens=done.usage.output_tokens,
            )
        case _:
            return None


def model(model: chat_pb2.Model) -> Model:
    """A model."""
    return Model(model.id, model.created_s, model.owned_by)


def wallet(wallet: billing_pb2.Wallet) -> Wallet:
    """A wallet."""
    return Wallet(wallet.balance_micros, wallet.reserved_micros, wallet.available_micros)


def transaction(transaction: billing_pb2.Transaction) -> Transaction:
    """What moved a balance."""
    return Transaction(
        id=transaction.id,
        kind=_word(billing_pb2.TransactionKind.DESCRIPTOR, transaction.kind),
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
        state=_word(billing_pb2.ReceiptState.DESCRIPTOR, receipt.state),
        outcome=_word(billing_pb2.TurnOutcome.DESCRIPTOR, receipt.outcome),
        # A source that is not said is the model; a turn that was not charged has none.
        source=(_word(billing_pb2.AnswerSource.DESCRIPTOR, receipt.source) or "model") if charged else "",
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


def offers(response: payments_pb2.ListPackagesResponse) -> Offers:
    """What can be bought."""
    packages = tuple(
        Package(
            id=package.package_id,
            names=(package.name_zh, package.name_en),
            tokens=package.tokens,
            amount_fen=package.amount_fen,
            virtual_amount_fen=package.virtual_amount_fen or None,
            channels=_channels(package.channels),
        )
        for package in response.packages
    )
    return Offers(packages, _channels(response.channels))


def order_request(request_id: str, user_id: str, purchase: Purchase, payer: Payer) -> payments_pb2.CreateOrderRequest:
    """A purchase on the wire."""
    request = payments_pb2.CreateOrderRequest(
        request_id=request_id,
        user_id=user_id,
        channel=_CHANNELS[purchase.channel],
        payer=payments_pb2.Payer(openid=payer.openid, session_key=payer.session_key, client_ip=payer.client_ip),
    )
    if purchase.package_id:
        request.package_id = purchase.package_id
    else:
        request.tokens = purchase.tokens
    return request


def order(order: payments_pb2.Order) -> Order:
    """A top-up."""
    return Order(
        id=order.out_trade_no,
        state=_word(payments_pb2.OrderState.DESCRIPTOR, order.state),
        channel=_word(payments_pb2.PaymentChannel.DESCRIPTOR, order.channel),
        package_id=order.package_id,
        tokens=order.tokens,
        amount_fen=order.amount_fen,
        refunded_fen=order.refunded_fen,
        parameters=dict(order.parameters),
        created_s=order.create_time.seconds,
        expires_s=order.expire_time.seconds,
        paid_s=order.pay_time.seconds if order.HasField("pay_time") else None,
    )


def callback_request(provider: str, callback: Callback) -> payments_pb2.HandleCallbackRequest:
    """A payment provider's callback on the wire."""
    return payments_pb2.HandleCallbackRequest(
        provider=provider,
        method=callback.method,
        headers=callback.headers,
        query=callback.query,
        body=callback.body,
    )


def _tokens(tokens: billing_pb2.Usage | billing_pb2.UsageLine) -> TokenUsage:
    return TokenUsage(tokens.input_tokens, tokens.cached_input_tokens, tokens.output_tokens)


def _channels(channels: Iterable[int]) -> tuple[str, ...]:
    words = (_word(payments_pb2.PaymentChannel.DESCRIPTOR, channel) for channel in channels)
    return tuple(word for word in words if word)


def _word(enum: EnumDescriptor, number: int) -> str:
    """An enum's value as the public API writes it: TRANSACTION_KIND_TOPUP is topup.

    Empty for a value that was not said, or is newer than this gateway.
    """
    value = enum.values_by_number.get(number)
    if value is None or value.number == 0:
        return ""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(value.name.removeprefix(prefix).lower())
