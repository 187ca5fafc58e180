"""The books through the service's own gRPC."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc, books_pb2, books_pb2_grpc

from services.billing.app import app
from services.billing.books.convert import timestamp
from services.billing.config import BillingSettings
from services.runtime.channels import Peer
from services.runtime.errors import ServiceError
from services.runtime.process import Runtime
from services.runtime.trace import Telemetry
from tests.integration.billing.books.conftest import History


@dataclass
class Books:
    """A client of a service over the ledger of a test."""

    peer: Peer
    history: History

    def __post_init__(self) -> None:
        self.billing = billing_pb2_grpc.BillingServiceStub(self.peer.channel)
        self.books = books_pb2_grpc.BooksServiceStub(self.peer.channel)

    async def verify(self) -> books_pb2.VerifyLedgerResponse:
        return await self.peer.unary(self.books.VerifyLedger, books_pb2.VerifyLedgerRequest(), timeout_s=30)

    async def transactions(self, **request: object) -> billing_pb2.ListTransactionsResponse:
        asked = billing_pb2.ListTransactionsRequest(user_id="ann", **request)  # type: ignore[arg-type]  # any field
        return await self.peer.unary(self.billing.ListTransactions, asked, timeout_s=5)

    async def receipt(self, request_id: str) -> billing_pb2.Receipt:
        asked = billing_pb2.GetReceiptRequest(user_id="ann", request_id=request_id)
        return (await self.peer.unary(self.billing.GetReceipt, asked, timeout_s=5)).receipt

    async def prices(self) -> billing_pb2.ListPricesResponse:
        return await self.peer.unary(self.billing.ListPrices, billing_pb2.ListPricesRequest(), timeout_s=5)


@pytest.fixture
async def service(history: History, database_url: str) -> AsyncIterator[Books]:
    settings = BillingSettings(port=0, database_url=SecretStr(database_url), drain_s=0, verify_every_s=0)
    telemetry = Telemetry(None)
    async with app(settings, Runtime("billing", settings, CollectorRegistry(), telemetry)) as server:
        peer = Peer("billing", f"127.0.0.1:{server.port}", telemetry)
        try:
            yield Books(peer, history)
        finally:
            await peer.close()
            await server.drain()


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10, 1_000])
async def test_pages_of_any_size_make_one_statement(service: Books, size: int) -> None:
    whole = list((await service.transactions()).transactions)
    found, token = list[billing_pb2.Transaction](), ""
    while True:
        page = await service.transactions(page_size=size, page_token=token)
        assert 1 <= len(page.transactions) <= size
        found += page.transactions
        if not (token := page.next_page_token):
            break
    assert found == whole
    assert len(whole) == 9
    assert sum(one.amount_micros for one in whole) == whole[0].balance_after_micros


async def test_a_page_token_that_was_made_up_is_refused_by_name(service: Books) -> None:
    with pytest.raises(ServiceError) as caught:
        await service.transactions(page_token="made-up")
    assert caught.value.wire_reason == "INVALID_REQUEST"
    assert set(caught.value.fields) == {"page_token"}


async def test_a_receipt_explains_a_turn(service: Books) -> None:
    told = await service.receipt("t0")
    assert told.state == billing_pb2.RECEIPT_STATE_SETTLED
    assert (told.usage.input_tokens, told.usage.cached_input_tokens, told.usage.output_tokens) == (1_000, 400, 500)
    # 600 × 1 + 400 × 0.5 + 500 × 1 micro-yuan, and a fifth more.
    assert told.charged_micros == 1_560
    assert (await service.receipt("t3")).state == billing_pb2.RECEIPT_STATE_REVERSED
    with pytest.raises(ServiceError) as caught:
        await service.receipt("never")
    assert caught.value.wire_reason == "RESERVATION_NOT_FOUND"


async def test_usage_is_what_was_charged(service: Books) -> None:
    now = datetime.now(UTC)
    asked = billing_pb2.GetUsageRequest(
        user_id="ann", start_time=timestamp(now - timedelta(days=1)), end_time=timestamp(now + timedelta(days=1))
    )
    lines = (await service.peer.unary(service.billing.GetUsage, asked, timeout_s=5)).lines
    # Settled turns alone, of one day or, around midnight in China, of two.
    assert sum(line.turns for line in lines) == 3
    assert sum(line.charged_micros for line in lines) == 1_560 + 1_200 + 2_400


async def test_costs_and_their_parts_add_up(service: Books) -> None:
    now = datetime.now(UTC)
    asked = books_pb2.GetCostsRequest(start_time=timestamp(now - timedelta(days=1)), end_time=timestamp(now))
    told = await service.peer.unary(service.books.GetCosts, asked, timeout_s=5)
    assert (told.questions, told.cached_questions, told.provider_cost_micros) == (4, 1, 2_320)
    assert told.cost_per_thousand_micros == 580_000


async def test_a_price_and_a_rate_that_are_set_hold_for_the_next_turn(service: Books) -> None:
    price = books_pb2.SetPriceRequest(model="mine", output_usd_micros_per_million=10_000_000, source="by hand")
    await service.peer.unary(service.books.SetPrice, price, timeout_s=5)
    rate = books_pb2.SetExchangeRateRequest(cny_micros_per_usd=7_250_000, source="央行")
    await service.peer.unary(service.books.SetExchangeRate, rate, timeout_s=5)
    prices = await service.prices()
    assert prices.exchange_rate_source == "央行"
    mine = next(one for one in prices.prices if one.model == "mine")
    assert (mine.output_usd_micros_per_million, mine.cny_micros_per_usd) == (10_000_000, 7_250_000)
    asked = billing_pb2.ReserveRequest(request_id="new", user_id="ann", model="mine", max_output_tokens=100)
    reserved = await service.peer.unary(service.billing.Reserve, asked, timeout_s=5)
    assert reserved.reserved_micros == 100 * 10 * 7_250_000 // 1_000_000


async def test_a_ledger_is_verified_on_request(service: Books) -> None:
    clean = await service.verify()
    assert (clean.ok, list(clean.findings)) == (True, [])
    assert sum(one.balance_micros for one in clean.balances) == 0
    assert sum(head.length for head in clean.heads) == clean.transfers
    assert all(len(head.sha256) == 64 for head in clean.heads)
    await service.history.pool.execute("UPDATE wallets SET balance_micros = balance_micros + 1 WHERE user_id = 'bo'")
    told = await service.verify()
    assert not told.ok
    assert [(one.check, one.subject) for one in told.findings] == [("projection", "wallet bo")]
