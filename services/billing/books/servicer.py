"""BooksService over gRPC: a translator between the wire and the books."""

from datetime import UTC, datetime
from typing import Any

from queqiao.billing.v1 import books_pb2, books_pb2_grpc

from services.billing.books import convert
from services.billing.books.costs import CostReader
from services.billing.books.verifier import Verifier
from services.billing.prices import PriceBook


class BooksServicer(books_pb2_grpc.BooksServiceServicer):
    """Answers books.proto."""

    def __init__(self, verifier: Verifier, costs: CostReader, prices: PriceBook) -> None:
        """Use these."""
        self._verifier = verifier
        self._costs = costs
        self._prices = prices

    async def VerifyLedger(  # noqa: N802  # gRPC's spelling, here and below
        self, request: books_pb2.VerifyLedgerRequest, context: Any
    ) -> books_pb2.VerifyLedgerResponse:
        """Prove the ledger."""
        return convert.verification(await self._verifier.verify())

    async def GetCosts(  # noqa: N802
        self, request: books_pb2.GetCostsRequest, context: Any
    ) -> books_pb2.GetCostsResponse:
        """What questions cost."""
        return convert.costs(await self._costs.costs(*convert.costs_span(request)))

    async def SetPrice(  # noqa: N802
        self, request: books_pb2.SetPriceRequest, context: Any
    ) -> books_pb2.SetPriceResponse:
        """Append a price."""
        await self._prices.set_price(*convert.new_price(request, datetime.now(UTC)))
        return books_pb2.SetPriceResponse()

    async def SetExchangeRate(  # noqa: N802
        self, request: books_pb2.SetExchangeRateRequest, context: Any
    ) -> books_pb2.SetExchangeRateResponse:
        """Append an exchange rate."""
        await self._prices.set_rate(*convert.new_rate(request))
        return books_pb2.SetExchangeRateResponse()
