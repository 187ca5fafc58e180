"""PaymentService over real gRPC: what callers ask, and what they are answered."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from queqiao.billing.v1 import payments_pb2, payments_pb2_grpc

from services.billing.payments.domain import RefundProgress
from services.billing.payments.reconciliation import day_of
from services.runtime.channels import Peer
from services.runtime.errors import ServiceError
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.trace import Telemetry
from tests.integration.billing.payments.shop import SESSION_KEY, Shop

PAYER = payments_pb2.Payer(openid="openid-of-u", session_key=SESSION_KEY, client_ip="203.0.113.7")


@dataclass
class Client:
    """Calls the service."""

    peer: Peer
    stub: "payments_pb2_grpc.PaymentServiceAsyncStub"  # in quotes: only the type stubs know it

    async def call(self, method: str, request: Any) -> Any:
        return await self.peer.unary(getattr(self.stub, method), request, timeout_s=10)

    async def buy(self, request_id: str = "r", **fields: Any) -> payments_pb2.Order:
        asked: dict[str, Any] = {"user_id": "u", "package_id": "medium", "channel": 1, "payer": PAYER}
        request = payments_pb2.CreateOrderRequest(request_id=request_id, **asked | fields)
        return (await self.call("CreateOrder", request)).order  # type: ignore[no-any-return]  # of any method

    async def list(self, **fields: Any) -> payments_pb2.ListOrdersResponse:
        return await self.call("ListOrders", payments_pb2.ListOrdersRequest(**fields))  # type: ignore[no-any-return]


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[Client]:
    telemetry = Telemetry(None)
    metrics = RpcMetrics(CollectorRegistry())
    server = GrpcServer(host="127.0.0.1", port=0, drain_s=0, metrics=metrics, telemetry=telemetry)
    payments_pb2_grpc.add_PaymentServiceServicer_to_server(shop.servicer, server.grpc)
    await server.start("queqiao.billing.v1.PaymentService")
    peer = Peer("billing", f"127.0.0.1:{server.port}", telemetry)
    yield Client(peer, payments_pb2_grpc.PaymentServiceStub(peer.channel))
    await peer.close()
    await server.grpc.stop(0)


async def refusal(work: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await work
    return caught.value.wire_code.name, caught.value.wire_reason


async def test_packages_are_listed_with_their_price_and_the_ways_to_pay(client: Client) -> None:
    said = await client.call("ListPackages", payments_pb2.ListPackagesRequest())
    assert [(one.package_id, one.amount_fen) for one in said.packages] == [
        ("small", 142),
        ("medium", 1420),
        ("large", 7100),
    ]
    assert list(said.channels) == list(said.packages[0].channels) == [1, 2]


async def test_an_order_is_bought_paid_read_and_given_back(client: Client, shop: Shop) -> None:
    order = await client.buy()
    assert order.state == payments_pb2.ORDER_STATE_PAYING
    assert order.parameters["package"].startswith("prepay_id=")
    assert await client.buy() == order
    stored = await shop.store.order(order.out_trade_no)
    assert stored is not None
    callback = shop.provider.pay(stored)
    answer = await client.call(
        "HandleCallback",
        payments_pb2.HandleCallbackRequest(
            provider="wechatpay", headers=callback.headers, query=callback.query, body=callback.body, method="POST"
        ),
    )
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b"accepted")
    key = payments_pb2.GetOrderRequest(user_id="u", out_trade_no=order.out_trade_no)
    paid = (await client.call("GetOrder", key)).order
    assert (paid.state, dict(paid.parameters)) == (payments_pb2.ORDER_STATE_PAID, {})
    shop.provider.refunds_become = RefundProgress.DONE
    asked = payments_pb2.CreateRefundRequest(request_id="r", out_trade_no=order.out_trade_no, reason="退款")
    refund = (await client.call("CreateRefund", asked)).refund
    assert (refund.state, refund.amount_fen) == (payments_pb2.REFUND_STATE_DONE, 1420)
    assert (await client.call("GetOrder", key)).order.state == payments_pb2.ORDER_STATE_REFUNDED
    day = payments_pb2.ReconcileRequest(provider="wechatpay", day=day_of(datetime.now(UTC)).isoformat())
    report = await client.call("Reconcile", day)
    assert (report.bill_paid_fen, report.book_paid_fen) == (1420, 1420)
    assert (report.bill_refunded_fen, report.book_refunded_fen, len(report.differences)) == (1420, 1420, 0)


async def test_every_refusal_has_the_code_and_reason_that_the_contract_gives_it(client: Client, shop: Shop) -> None:
    order = await client.buy()
    unpaid = payments_pb2.CreateRefundRequest(request_id="r", out_trade_no=order.out_trade_no)
    nobody = payments_pb2.HandleCallbackRequest(provider="nobody")
    assert await refusal(client.buy("")) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert await refusal(client.buy("n", package_id="none")) == ("NOT_FOUND", "PACKAGE_NOT_FOUND")
    assert await refusal(client.buy(package_id="small")) == ("ALREADY_EXISTS", "REQUEST_CONFLICT")
    assert await refusal(client.buy("c", channel=3)) == ("FAILED_PRECONDITION", "CHANNEL_UNAVAILABLE")
    other = payments_pb2.GetOrderRequest(user_id="v", out_trade_no=order.out_trade_no)
    assert await refusal(client.call("GetOrder", other)) == ("NOT_FOUND", "ORDER_NOT_FOUND")
    assert await refusal(client.call("CreateRefund", unpaid)) == ("FAILED_PRECONDITION", "ORDER_NOT_PAID")
    assert await refusal(client.call("HandleCallback", nobody)) == ("NOT_FOUND", "ROUTE_NOT_FOUND")
    shop.provider.refuses = True
    assert await refusal(client.buy("p")) == ("FAILED_PRECONDITION", "PAYMENT_REFUSED")
    assert await refusal(client.buy("p")) == ("FAILED_PRECONDITION", "ORDER_CLOSED")
    shop.provider.is_away = True
    assert await refusal(client.buy("a")) == ("UNAVAILABLE", "PAYMENT_UNAVAILABLE")
    day = payments_pb2.ReconcileRequest(provider="wechatpay", day="2026-03-01")
    assert await refusal(client.call("Reconcile", day)) == ("UNAVAILABLE", "PAYMENT_UNAVAILABLE")
    shop.provider.is_away, shop.provider.has_bills = False, False
    assert await refusal(client.call("Reconcile", day)) == ("FAILED_PRECONDITION", "CHANNEL_UNAVAILABLE")
    day.provider = "nobody"
    assert await refusal(client.call("Reconcile", day)) == ("NOT_FOUND", "ROUTE_NOT_FOUND")


async def test_a_refund_that_is_too_large_says_how_much_is_left(client: Client, shop: Shop) -> None:
    order = await shop.topped_up()
    asked = payments_pb2.CreateRefundRequest(request_id="r", out_trade_no=order.out_trade_no, amount_fen=1421)
    with pytest.raises(ServiceError) as caught:
        await client.call("CreateRefund", asked)
    assert (caught.value.wire_reason, caught.value.metadata["refundable_fen"]) == ("REFUND_TOO_LARGE", "1420")


@pytest.mark.parametrize("size", [1, 3, 12, 0])
async def test_pages_have_no_gap_and_no_repeat_though_orders_were_created_at_once(
    client: Client, shop: Shop, size: int
) -> None:
    made = {(await shop.buy(user_id=f"u{n % 2}")).out_trade_no for n in range(12)}
    await shop.pool.execute("UPDATE orders SET created_at = (SELECT min(created_at) FROM orders)")
    seen: list[str] = []
    token = ""
    while True:
        page = await client.list(page_size=size, page_token=token)
        seen += [order.out_trade_no for order in page.orders]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(made, reverse=True)


async def test_orders_are_listed_by_user_and_state(client: Client, shop: Shop) -> None:
    paid, _, _ = await shop.topped_up(), await shop.buy(), await shop.topped_up(user_id="v")
    page = await client.list(user_id="u", state=payments_pb2.ORDER_STATE_PAID)
    assert [order.out_trade_no for order in page.orders] == [paid.out_trade_no]
    assert len((await client.list()).orders) == 3


async def test_a_page_token_that_is_junk_is_refused(client: Client) -> None:
    assert await refusal(client.list(page_token="junk")) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
