"""BillingService over gRPC: a translator between the wire and the ledger's operations."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc

from services.billing import convert
from services.billing.books import convert as books
from services.billing.books.statement import StatementReader
from services.billing.errors import WalletNotFoundError
from services.billing.operations import Result
from services.billing.ports import LedgerStore, Prices, StoreError
from services.billing.prices import PriceBook
from services.billing.writer import LedgerWriter
from services.runtime.endless import EndlessCalls
from services.runtime.errors import ServiceError, UnavailableError
from services.runtime.trace import ItemSpans, trace_id_of

log = structlog.get_logger()


class BillingServicer(billing_pb2_grpc.BillingServiceServicer):
    """Answers billing.proto."""

    def __init__(
        self,
        writer: LedgerWriter,
        store: LedgerStore,
        prices: Prices,
        calls: EndlessCalls,
        *,
        trial_credit_micros: int,
        spans: ItemSpans,
        statement: StatementReader,
        book: PriceBook,
    ) -> None:
        """Write through the writer, read from the store."""
        self._writer = writer
        self._store = store
        self._prices = prices
        self._calls = calls
        self._trial_credit_micros = trial_credit_micros
        self._spans = spans
        self._statement = statement
        self._book = book

    async def OpenWallet(  # noqa: N802  # gRPC's spelling, here and below
        self, request: billing_pb2.OpenWalletRequest, context: Any
    ) -> billing_pb2.OpenWalletResponse:
        """Open a wallet."""
        result = await self._writer.submit(convert.open_wallet(request, self._trial_credit_micros))
        return billing_pb2.OpenWalletResponse(wallet=convert.wallet(result.wallet), opened=result.fresh)

    async def Write(  # noqa: N802
        self, request_iterator: AsyncIterator[billing_pb2.WriteRequest], context: Any
    ) -> AsyncIterator[billing_pb2.WriteResponse]:
        """Reserve, settle, release and charge for many turns, request by request."""
        async for request in self._calls.requests(request_iterator):
            writes = convert.writes(request)
            outcomes = await asyncio.gather(*map(self._enqueue, writes), return_exceptions=True)
            if log.is_enabled_for(logging.DEBUG):
                _log(writes, outcomes)
            yield billing_pb2.WriteResponse(results=map(convert.write_result, writes, outcomes))

    def _enqueue(self, write: billing_pb2.LedgerWrite) -> "asyncio.Future[Result]":
        try:
            result = self._writer.enqueue(convert.write(write, self._prices))
        except ServiceError as error:
            result = asyncio.get_running_loop().create_future()
            result.set_exception(error)
        self._spans.record(_method(write), write.traceparent, result)
        return result

    async def ReverseTurn(  # noqa: N802
        self, request: billing_pb2.ReverseTurnRequest, context: Any
    ) -> billing_pb2.ReverseTurnResponse:
        """Give a turn's charge back."""
        result = await self._writer.submit(convert.reverse_turn(request))
        return billing_pb2.ReverseTurnResponse(returned_micros=result.amount, wallet=convert.wallet(result.wallet))

    async def GetWallet(  # noqa: N802
        self, request: billing_pb2.GetWalletRequest, context: Any
    ) -> billing_pb2.GetWalletResponse:
        """Read a wallet."""
        try:
            user_id = convert.user_id(request.user_id)
            wallet = await self._store.wallet(user_id)
            topped_up = await self._store.topped_up(user_id)
        except StoreError:
            raise UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1) from None
        if wallet is None:
            raise WalletNotFoundError("The user has no wallet: open one, or grant credit.")
        return billing_pb2.GetWalletResponse(wallet=convert.wallet(wallet), topped_up=topped_up)

    async def GrantCredit(  # noqa: N802
        self, request: billing_pb2.GrantCreditRequest, context: Any
    ) -> billing_pb2.GrantCreditResponse:
        """Give credit away."""
        result = await self._writer.submit(convert.grant_credit(request))
        return billing_pb2.GrantCreditResponse(wallet=convert.wallet(result.wallet))

    async def Reserve(  # noqa: N802
        self, request: billing_pb2.ReserveRequest, context: Any
    ) -> billing_pb2.ReserveResponse:
        """Set the worst case aside."""
        result = await self._writer.submit(convert.reserve(request, self._prices))
        return billing_pb2.ReserveResponse(reserved_micros=result.amount, closed=result.closed)

    async def Settle(  # noqa: N802
        self, request: billing_pb2.SettleRequest, context: Any
    ) -> billing_pb2.SettleResponse:
        """Charge what was used."""
        result = await self._writer.submit(convert.settle(request))
        return billing_pb2.SettleResponse(charged_micros=result.amount)

    async def Release(  # noqa: N802
        self, request: billing_pb2.ReleaseRequest, context: Any
    ) -> billing_pb2.ReleaseResponse:
        """Give everything back."""
        await self._writer.submit(convert.release(request))
        return billing_pb2.ReleaseResponse()

    async def ListTransactions(  # noqa: N802
        self, request: billing_pb2.ListTransactionsRequest, context: Any
    ) -> billing_pb2.ListTransactionsResponse:
        """A page of a user's statement."""
        user_id, before, start, end, limit = books.page(request)
        # One more than asked for tells whether there is a page after this one.
        found = await self._statement.transactions(user_id, before=before, start=start, end=end, limit=limit + 1)
        token = str(found[limit - 1].id) if len(found) > limit else ""
        return billing_pb2.ListTransactionsResponse(
            transactions=map(books.transaction, found[:limit]), next_page_token=token
        )

    async def GetReceipt(  # noqa: N802
        self, request: billing_pb2.GetReceiptRequest, context: Any
    ) -> billing_pb2.GetReceiptResponse:
        """What a turn was charged for."""
        turn = await self._statement.receipt(*books.receipt_key(request))
        return billing_pb2.GetReceiptResponse(receipt=books.receipt(turn))

    async def GetUsage(  # noqa: N802
        self, request: billing_pb2.GetUsageRequest, context: Any
    ) -> billing_pb2.GetUsageResponse:
        """What a user used."""
        lines = await self._statement.usage(*books.usage_span(request))
        return billing_pb2.GetUsageResponse(lines=map(books.usage_line, lines))

    async def ListPrices(  # noqa: N802
        self, request: billing_pb2.ListPricesRequest, context: Any
    ) -> billing_pb2.ListPricesResponse:
        """What models cost."""
        rate = self._book.rate()
        return billing_pb2.ListPricesResponse(
            prices=[books.model_price(one.model, one.price, one.effective_at) for one in self._book.listed()],
            exchange_rate_source=rate.source,
            exchange_rate_time=books.timestamp(rate.effective_at),
        )


def _method(write: billing_pb2.LedgerWrite) -> str:
    """Its name, as a method that does the same alone has it."""
    return (write.WhichOneof("write") or "").title().replace("_", "")


def _log(writes: Sequence[billing_pb2.LedgerWrite], outcomes: Sequence[object]) -> None:
    for write, outcome in zip(writes, outcomes, strict=True):
        result = outcome.wire_reason if isinstance(outcome, ServiceError) else "OK"
        log.debug("write", method=_method(write), result=result, trace_id=trace_id_of(write.traceparent))
