"""All of billing over real gRPC, for its commands: transactions and orders by pages, the rest as scripted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf.message import Message
from queqiao.billing.v1 import (
    billing_pb2,
    billing_pb2_grpc,
    books_pb2,
    books_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
)

from services.runtime.errors import ServiceError

ItemT = TypeVar("ItemT")


@dataclass
class FakeBooks:
    """What the service knows and was asked; `trouble` is raised in place of every answer."""

    trouble: ServiceError | None = None
    # The newest first, as they are listed.
    transactions: list[billing_pb2.Transaction] = field(default_factory=list)
    orders: list[payments_pb2.Order] = field(default_factory=list)
    # By the method's name.
    answers: dict[str, Message] = field(default_factory=dict)
    asked: list[Message] = field(default_factory=list)
    # Smaller than what clients ask for, as a service may answer.
    page_max: int = 1_000

    def heard(self, request: Message) -> None:
        """Remember a request."""
        kept = type(request)()
        kept.CopyFrom(request)
        self.asked.append(kept)
        if self.trouble is not None:
            raise self.trouble

    def answer(self, method: str, request: Message) -> Any:
        """What is scripted for a method."""
        self.heard(request)
        return self.answers[method]

    def page(self, items: Sequence[ItemT], token: str, size: int) -> tuple[Sequence[ItemT], str]:
        """Items from a token on, and the token of those after them."""
        begin = int(token or 0)
        end = begin + min(size, self.page_max)
        return items[begin:end], str(end) if end < len(items) else ""


class WalletsServicer(billing_pb2_grpc.BillingServiceServicer):
    """BillingService, as far as commands ask it."""

    def __init__(self, books: FakeBooks) -> None:
        """Answer from these."""
        self._books = books

    async def ListTransactions(  # noqa: N802  # gRPC's spelling, here and below
        self, request: billing_pb2.ListTransactionsRequest, context: Any
    ) -> billing_pb2.ListTransactionsResponse:
        self._books.heard(request)
        found = [
            item
            for item in self._books.transactions
            if (not request.HasField("start_time") or _at(item.create_time) >= _at(request.start_time))
            and (not request.HasField("end_time") or _at(item.create_time) < _at(request.end_time))
        ]
        items, token = self._books.page(found, request.page_token, request.page_size)
        return billing_pb2.ListTransactionsResponse(transactions=items, next_page_token=token)

    async def GrantCredit(self, request: billing_pb2.GrantCreditRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("GrantCredit", request)

    async def GetWallet(self, request: billing_pb2.GetWalletRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("GetWallet", request)

    async def ReverseTurn(self, request: billing_pb2.ReverseTurnRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("ReverseTurn", request)

    async def GetReceipt(self, request: billing_pb2.GetReceiptRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("GetReceipt", request)

    async def GetUsage(self, request: billing_pb2.GetUsageRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("GetUsage", request)

    async def ListPrices(self, request: billing_pb2.ListPricesRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("ListPrices", request)


class PaymentsServicer(payments_pb2_grpc.PaymentServiceServicer):
    """PaymentService, as far as commands ask it."""

    def __init__(self, books: FakeBooks) -> None:
        """Answer from these."""
        self._books = books

    async def ListOrders(  # noqa: N802
        self, request: payments_pb2.ListOrdersRequest, context: Any
    ) -> payments_pb2.ListOrdersResponse:
        self._books.heard(request)
        found = [
            order
            for order in self._books.orders
            if request.user_id in ("", order.user_id) and request.state in (0, order.state)
        ]
        items, token = self._books.page(found, request.page_token, request.page_size)
        return payments_pb2.ListOrdersResponse(orders=items, next_page_token=token)

    async def GetOrder(self, request: payments_pb2.GetOrderRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("GetOrder", request)

    async def CreateRefund(self, request: payments_pb2.CreateRefundRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("CreateRefund", request)

    async def Reconcile(self, request: payments_pb2.ReconcileRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("Reconcile", request)


class BooksServicer(books_pb2_grpc.BooksServiceServicer):
    """BooksService."""

    def __init__(self, books: FakeBooks) -> None:
        """Answer from these."""
        self._books = books

    async def VerifyLedger(self, request: books_pb2.VerifyLedgerRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("VerifyLedger", request)

    async def GetCosts(self, request: books_pb2.GetCostsRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("GetCosts", request)

    async def SetPrice(self, request: books_pb2.SetPriceRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("SetPrice", request)

    async def SetExchangeRate(self, request: books_pb2.SetExchangeRateRequest, context: Any) -> Any:  # noqa: N802
        return self._books.answer("SetExchangeRate", request)


def _at(timestamp: Any) -> tuple[int, int]:
    return timestamp.seconds, timestamp.nanos
