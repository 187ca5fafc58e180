"""Billing and moderation as a turn sees them, when they are away, slow or of another opinion."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc

from sandbox.ports import free_ports
from services.chat.clients import ModerationClient, WalletClient
from services.chat.domain import Message, Model, Options, Outcome, Question, Role, Usage
from services.chat.errors import UpstreamError
from services.runtime.channels import Peer
from services.runtime.errors import Code, RemoteError, ServiceError, UnavailableError
from services.runtime.status import to_status
from services.runtime.trace import Telemetry

QUESTION = Question("req_1", "usr_1", "", "m", (Message(Role.USER, "hi"),), Options())
MODEL = Model("m", 1000, 100, "o200k_base")


class Billing(billing_pb2_grpc.BillingServiceServicer):
    """Remembers what it was asked; answers an error when it is given one."""

    def __init__(self, error: ServiceError | None = None) -> None:
        self.error = error
        self.asked: list[Any] = []

    async def _answer(self, request: Any, context: Any, response: Any) -> Any:
        self.asked.append(request)
        if self.error is not None:
            await context.abort_with_status(rpc_status.to_status(to_status(self.error)))
        return response

    async def Reserve(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling, here and below
        return await self._answer(request, context, billing_pb2.ReserveResponse(reserved_micros=9))

    async def Settle(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._answer(request, context, billing_pb2.SettleResponse(charged_micros=7))

    async def Release(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._answer(request, context, billing_pb2.ReleaseResponse())

    # No turn calls these.
    OpenWallet = GetWallet = GrantCredit = Release


async def serve(billing: Billing, port: int) -> grpc.aio.Server:
    server = grpc.aio.server()
    billing_pb2_grpc.add_BillingServiceServicer_to_server(billing, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


async def test_the_reservation_outlives_the_longest_turn_and_names_the_worst_case() -> None:
    billing, (port,) = Billing(), free_ports(1)
    server = await serve(billing, port)
    peer = Peer("billing", f"127.0.0.1:{port}", Telemetry(None))
    await WalletClient(peer, turn_s_max=300).reserve(QUESTION, MODEL, 50, 100)
    request = billing.asked[0]
    assert (request.input_tokens, request.max_output_tokens) == (50, 100)
    assert request.ttl_s > 300
    await peer.close()
    await server.stop(0)


async def test_a_settlement_waits_for_billing_to_come_back() -> None:
    billing, (port,) = Billing(), free_ports(1)
    peer = Peer("billing", f"127.0.0.1:{port}", Telemetry(None))
    settling = asyncio.create_task(WalletClient(peer, turn_s_max=300).settle(QUESTION, Usage(10, 5), Outcome.CANCELLED))
    await asyncio.sleep(0.8)
    assert not settling.done()
    server = await serve(billing, port)
    async with asyncio.timeout(15):
        assert await settling == 7
    request = billing.asked[0]
    assert (request.usage.input_tokens, request.usage.output_tokens) == (10, 5)
    assert request.outcome == billing_pb2.TURN_OUTCOME_CANCELLED
    await peer.close()
    await server.stop(0)


async def test_what_billing_decided_is_not_asked_again() -> None:
    billing, (port,) = Billing(RemoteError(Code.FAILED_PRECONDITION, "RESERVATION_CLOSED", "expired")), free_ports(1)
    server = await serve(billing, port)
    peer = Peer("billing", f"127.0.0.1:{port}", Telemetry(None))
    with pytest.raises(ServiceError) as caught:
        await WalletClient(peer, turn_s_max=300).settle(QUESTION, Usage(10, 5), Outcome.COMPLETED)
    assert caught.value.wire_reason == "RESERVATION_CLOSED"
    assert len(billing.asked) == 1
    await peer.close()
    await server.stop(0)


async def test_without_moderation_nothing_is_let_through() -> None:
    peer = Peer("moderation", "127.0.0.1:1", Telemetry(None))
    client = ModerationClient(peer)
    with pytest.raises(UnavailableError):
        await client.check_input(QUESTION)
    with pytest.raises(UnavailableError):
        await client.screen("req_1", "text", preceding="", last=True)
    await peer.close()


async def test_a_window_that_no_peer_would_take_fails_its_own_answer_alone() -> None:
    peer = Peer("moderation", "127.0.0.1:1", Telemetry(None))
    with pytest.raises(UpstreamError):
        await ModerationClient(peer).screen("req_1", "x" * 65_537, preceding="", last=False)
    await peer.close()
