"""The protos of billing's payments."""

from collections.abc import Iterable

from queqiao.billing.v1 import payments_pb2

from services.gateway.edge.enums import word
from services.gateway.orders.domain import Callback, Channel, Offers, Order, Package, Payer, Purchase

_CHANNELS = {
    Channel.JSAPI: payments_pb2.PAYMENT_CHANNEL_JSAPI,
    Channel.NATIVE: payments_pb2.PAYMENT_CHANNEL_NATIVE,
    Channel.JSAPI_V2: payments_pb2.PAYMENT_CHANNEL_JSAPI_V2,
    Channel.VIRTUAL: payments_pb2.PAYMENT_CHANNEL_VIRTUAL,
}


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
        state=word(payments_pb2.OrderState.DESCRIPTOR, order.state),
        channel=word(payments_pb2.PaymentChannel.DESCRIPTOR, order.channel),
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


def _channels(channels: Iterable[int]) -> tuple[str, ...]:
    words = (word(payments_pb2.PaymentChannel.DESCRIPTOR, channel) for channel in channels)
    return tuple(word for word in words if word)
