"""The billing service's payments: what can be bought, orders, and what payment providers call back with."""

from queqiao.billing.v1 import payments_pb2, payments_pb2_grpc

from services.gateway.edge.pages import Page, PageRequest
from services.gateway.orders import convert
from services.gateway.orders.domain import Callback, CallbackAnswer, Offers, Order, Payer, Purchase
from services.gateway.wallet.client import translated
from services.runtime.channels import Peer
from services.runtime.errors import ServiceError

_TIMEOUT_S = 5.0

# Billing may ask the payment provider on the way, for at most 8 seconds.
_PROVIDER_TIMEOUT_S = 10.0

# WeChat waits five seconds for the answer to a callback.
_CALLBACK_TIMEOUT_S = 4.0


class PaymentClient:
    """Asks PaymentService. Every method raises ServiceError as payments.proto documents, or UnavailableError."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer."""
        self._peer = peer
        self._stub = payments_pb2_grpc.PaymentServiceStub(peer.channel)

    async def offers(self) -> Offers:
        """What can be bought now, and the ways to pay."""
        response = await self._peer.unary(
            self._stub.ListPackages, payments_pb2.ListPackagesRequest(), timeout_s=_TIMEOUT_S
        )
        return convert.offers(response)

    async def create(self, request_id: str, user_id: str, purchase: Purchase, payer: Payer) -> Order:
        """Create the order of this request, or go on with it."""
        request = convert.order_request(request_id, user_id, purchase, payer)
        response = await self._peer.unary(self._stub.CreateOrder, request, timeout_s=_PROVIDER_TIMEOUT_S)
        return convert.order(response.order)

    async def order(self, user_id: str, order_id: str) -> Order:
        """The user's order."""
        request = payments_pb2.GetOrderRequest(user_id=user_id, out_trade_no=order_id)
        response = await self._peer.unary(self._stub.GetOrder, request, timeout_s=_PROVIDER_TIMEOUT_S)
        return convert.order(response.order)

    async def orders(self, user_id: str, page: PageRequest) -> Page[Order]:
        """The user's orders, the newest first."""
        request = payments_pb2.ListOrdersRequest(user_id=user_id, page_size=page.limit, page_token=page.after)
        try:
            response = await self._peer.unary(self._stub.ListOrders, request, timeout_s=_TIMEOUT_S)
        except ServiceError as error:
            raise translated(error) from None
        return Page(tuple(convert.order(order) for order in response.orders), response.next_page_token)

    async def call_back(self, provider: str, callback: Callback) -> CallbackAnswer:
        """Hand on what a provider sent; answers what it must be answered."""
        request = convert.callback_request(provider, callback)
        response = await self._peer.unary(self._stub.HandleCallback, request, timeout_s=_CALLBACK_TIMEOUT_S)
        return CallbackAnswer(response.status, response.content_type, response.body)
