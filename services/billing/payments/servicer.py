"""PaymentService over gRPC: a translator between the wire and the payments' parts."""

from typing import Any

from queqiao.billing.v1 import payments_pb2, payments_pb2_grpc

from services.billing.payments import convert
from services.billing.payments.callbacks import Callbacks
from services.billing.payments.cashier import Cashier
from services.billing.payments.errors import ChannelUnavailableError
from services.billing.payments.reconciler import Reconciler
from services.billing.payments.refunds import Refunds
from services.billing.payments.registry import Providers
from services.billing.payments.store import PaymentStore


class PaymentServicer(payments_pb2_grpc.PaymentServiceServicer):
    """Answers payments.proto."""

    def __init__(
        self,
        store: PaymentStore,
        providers: Providers,
        cashier: Cashier,
        callbacks: Callbacks,
        refunds: Refunds,
        reconciler: Reconciler,
    ) -> None:
        """Use these."""
        self._store = store
        self._providers = providers
        self._cashier = cashier
        self._callbacks = callbacks
        self._refunds = refunds
        self._reconciler = reconciler

    async def ListPackages(  # noqa: N802  # gRPC's spelling, here and below
        self, request: payments_pb2.ListPackagesRequest, context: Any
    ) -> payments_pb2.ListPackagesResponse:
        """What can be bought."""
        offers = await self._cashier.offers()
        return payments_pb2.ListPackagesResponse(
            packages=map(convert.package, offers), channels=convert.channels(self._cashier.channels)
        )

    async def CreateOrder(  # noqa: N802
        self, request: payments_pb2.CreateOrderRequest, context: Any
    ) -> payments_pb2.CreateOrderResponse:
        """Buy."""
        order = await self._cashier.buy(convert.purchase(request))
        return payments_pb2.CreateOrderResponse(order=convert.order(order))

    async def GetOrder(  # noqa: N802
        self, request: payments_pb2.GetOrderRequest, context: Any
    ) -> payments_pb2.GetOrderResponse:
        """How an order stands."""
        order = await self._cashier.order(*convert.order_key(request))
        return payments_pb2.GetOrderResponse(order=convert.order(order))

    async def ListOrders(  # noqa: N802
        self, request: payments_pb2.ListOrdersRequest, context: Any
    ) -> payments_pb2.ListOrdersResponse:
        """A page of orders."""
        user_id, state, before, limit = convert.page(request)
        # One more than asked for tells whether there is a page after this one.
        orders = await self._store.orders(user_id=user_id, state=state, before=before, limit=limit + 1)
        token = convert.next_page_token(orders[limit - 1]) if len(orders) > limit else ""
        return payments_pb2.ListOrdersResponse(orders=map(convert.order, orders[:limit]), next_page_token=token)

    async def HandleCallback(  # noqa: N802
        self, request: payments_pb2.HandleCallbackRequest, context: Any
    ) -> payments_pb2.HandleCallbackResponse:
        """Take what a provider sends."""
        if request.method == "GET":
            return convert.answer(self._callbacks.verify(request.provider, request.query))
        return convert.answer(await self._callbacks.take(request.provider, convert.callback(request)))

    async def CreateRefund(  # noqa: N802
        self, request: payments_pb2.CreateRefundRequest, context: Any
    ) -> payments_pb2.CreateRefundResponse:
        """Give money back."""
        convert.refund_request(request)
        refund = await self._refunds.create(
            request.out_trade_no,
            request_id=request.request_id,
            amount_fen=request.amount_fen,
            reason=request.reason,
        )
        return payments_pb2.CreateRefundResponse(refund=convert.refund(refund))

    async def Reconcile(  # noqa: N802
        self, request: payments_pb2.ReconcileRequest, context: Any
    ) -> payments_pb2.ReconcileResponse:
        """Compare a day."""
        provider = self._providers.named(request.provider)
        report = await self._reconciler.run(provider, convert.day(request))
        if report is None:
            raise ChannelUnavailableError("This provider has no bills.", metadata={"channel": request.provider})
        return convert.report(report)
