"""The billing service, over real gRPC, in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc, payments_pb2, payments_pb2_grpc

from services.runtime.errors import Code, InvalidRequestError, RemoteError, ServiceError

TRIAL_MICROS = 1_000_000

ItemT = TypeVar("ItemT")


@dataclass
class FakeBilling(billing_pb2_grpc.BillingServiceServicer):
    """Opens wallets with a trial credit, once each, and tells what a test put in; keeps what it was asked.

    `trouble` is raised in place of every answer.
    """

    trouble: ServiceError | None = None
    wallets: dict[str, billing_pb2.Wallet] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    topped_up: set[str] = field(default_factory=set)
    # The newest first.
    transactions: list[billing_pb2.Transaction] = field(default_factory=list)
    receipts: dict[tuple[str, str], billing_pb2.Receipt] = field(default_factory=dict)
    usage: list[billing_pb2.UsageLine] = field(default_factory=list)
    prices: billing_pb2.ListPricesResponse = field(
        default_factory=lambda: billing_pb2.ListPricesResponse(prices=[billing_pb2.ModelPrice(model="*")])
    )
    asked: list[Any] = field(default_factory=list)

    def reset(self) -> None:
        """Be as new."""
        # The gateway asks for a part of the service alone; the generated base refuses the rest.
        vars(self).update(vars(FakeBilling()))  # type: ignore[abstract]

    async def OpenWallet(  # noqa: N802  # gRPC's spelling
        self, request: billing_pb2.OpenWalletRequest, context: Any
    ) -> billing_pb2.OpenWalletResponse:
        self._demand_health()
        fresh = request.user_id not in self.wallets
        if fresh:
            self.opened.append(request.user_id)
            trial = 0 if request.without_trial else TRIAL_MICROS
            self.wallets[request.user_id] = billing_pb2.Wallet(
                user_id=request.user_id, balance_micros=trial, available_micros=trial
            )
        return billing_pb2.OpenWalletResponse(wallet=self.wallets[request.user_id], opened=fresh)

    async def GetWallet(  # noqa: N802  # as above
        self, request: billing_pb2.GetWalletRequest, context: Any
    ) -> billing_pb2.GetWalletResponse:
        self._demand_health()
        if request.user_id not in self.wallets:
            raise RemoteError(Code.NOT_FOUND, "WALLET_NOT_FOUND", "There is no such wallet.")
        return billing_pb2.GetWalletResponse(
            wallet=self.wallets[request.user_id], topped_up=request.user_id in self.topped_up
        )

    async def ListTransactions(  # noqa: N802  # as above
        self, request: billing_pb2.ListTransactionsRequest, context: Any
    ) -> billing_pb2.ListTransactionsResponse:
        self._demand_health()
        self.asked.append(request)
        page, token = _page(self.transactions, request.page_size, request.page_token)
        return billing_pb2.ListTransactionsResponse(transactions=page, next_page_token=token)

    async def GetReceipt(  # noqa: N802  # as above
        self, request: billing_pb2.GetReceiptRequest, context: Any
    ) -> billing_pb2.GetReceiptResponse:
        self._demand_health()
        receipt = self.receipts.get((request.user_id, request.request_id))
        if receipt is None:
            raise RemoteError(Code.NOT_FOUND, "RESERVATION_NOT_FOUND", "There is no such reservation.")
        return billing_pb2.GetReceiptResponse(receipt=receipt)

    async def GetUsage(  # noqa: N802  # as above
        self, request: billing_pb2.GetUsageRequest, context: Any
    ) -> billing_pb2.GetUsageResponse:
        self._demand_health()
        self.asked.append(request)
        return billing_pb2.GetUsageResponse(lines=self.usage)

    async def ListPrices(  # noqa: N802  # as above
        self, request: billing_pb2.ListPricesRequest, context: Any
    ) -> billing_pb2.ListPricesResponse:
        self._demand_health()
        return self.prices

    def _demand_health(self) -> None:
        if self.trouble is not None:
            raise self.trouble


@dataclass
class FakePayments(payments_pb2_grpc.PaymentServiceServicer):
    """Sells what a test put in, keeps every order and every callback.

    A callback is answered with `answer`, after `answer_s`. `trouble` is raised in place of every answer.
    """

    trouble: ServiceError | None = None
    packages: list[payments_pb2.Package] = field(default_factory=list)
    # The newest first.
    orders: list[payments_pb2.Order] = field(default_factory=list)
    created: list[payments_pb2.CreateOrderRequest] = field(default_factory=list)
    callbacks: list[payments_pb2.HandleCallbackRequest] = field(default_factory=list)
    answer: payments_pb2.HandleCallbackResponse = field(
        default_factory=lambda: payments_pb2.HandleCallbackResponse(status=204)
    )
    answer_s: float = 0

    def reset(self) -> None:
        """Be as new."""
        vars(self).update(vars(FakePayments()))  # type: ignore[abstract]  # as in FakeBilling

    async def ListPackages(  # noqa: N802  # as above
        self, request: payments_pb2.ListPackagesRequest, context: Any
    ) -> payments_pb2.ListPackagesResponse:
        self._demand_health()
        return payments_pb2.ListPackagesResponse(
            packages=self.packages, channels=[payments_pb2.PAYMENT_CHANNEL_JSAPI, payments_pb2.PAYMENT_CHANNEL_NATIVE]
        )

    async def CreateOrder(  # noqa: N802  # as above
        self, request: payments_pb2.CreateOrderRequest, context: Any
    ) -> payments_pb2.CreateOrderResponse:
        self._demand_health()
        same = [order for asked, order in zip(self.created, reversed(self.orders), strict=True) if asked == request]
        if same:
            return payments_pb2.CreateOrderResponse(order=same[0])
        if any(request.request_id == asked.request_id for asked in self.created):
            raise RemoteError(Code.ALREADY_EXISTS, "REQUEST_CONFLICT", "Used before.")
        self.created.append(request)
        order = payments_pb2.Order(
            out_trade_no=f"Q{len(self.created):031}",
            user_id=request.user_id,
            channel=request.channel,
            state=payments_pb2.ORDER_STATE_PAYING,
            package_id=request.package_id,
            tokens=request.tokens or 1_000_000,
            amount_fen=1420,
            parameters={"code_url": "weixin://wxpay/bizpayurl?pr=x"},
        )
        order.create_time.FromSeconds(1_700_000_000)
        order.expire_time.FromSeconds(1_700_001_800)
        self.orders.insert(0, order)
        return payments_pb2.CreateOrderResponse(order=order)

    async def GetOrder(  # noqa: N802  # as above
        self, request: payments_pb2.GetOrderRequest, context: Any
    ) -> payments_pb2.GetOrderResponse:
        self._demand_health()
        for order in self.orders:
            if (order.user_id, order.out_trade_no) == (request.user_id, request.out_trade_no):
                return payments_pb2.GetOrderResponse(order=order)
        raise RemoteError(Code.NOT_FOUND, "ORDER_NOT_FOUND", "There is no such order.")

    async def ListOrders(  # noqa: N802  # as above
        self, request: payments_pb2.ListOrdersRequest, context: Any
    ) -> payments_pb2.ListOrdersResponse:
        self._demand_health()
        own = [order for order in self.orders if order.user_id == request.user_id]
        page, token = _page(own, request.page_size, request.page_token)
        return payments_pb2.ListOrdersResponse(orders=page, next_page_token=token)

    async def HandleCallback(  # noqa: N802  # as above
        self, request: payments_pb2.HandleCallbackRequest, context: Any
    ) -> payments_pb2.HandleCallbackResponse:
        self._demand_health()
        if request.provider != "wechatpay":
            raise RemoteError(Code.NOT_FOUND, "ROUTE_NOT_FOUND", "There is no such provider.")
        self.callbacks.append(request)
        await asyncio.sleep(self.answer_s)
        return self.answer

    def _demand_health(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def _page(items: Sequence[ItemT], size: int, token: str) -> tuple[Sequence[ItemT], str]:
    """A page, whose token is the number of items before it."""
    if not (token or "0").isdecimal():
        raise InvalidRequestError("page_token is wrong.", fields={"page_token": "must be of the page before"})
    begin = int(token or "0")
    end = begin + size
    return items[begin:end], str(end) if end < len(items) else ""
