"""A service's server and its callers: errors, traces, metrics, and an orderly end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc
from structlog.testing import capture_logs

from services.runtime.channels import Peer
from services.runtime.errors import Code, ServiceError, StartupError, UnavailableError
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.trace import Telemetry, adopt_traceparent

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class TeapotError(ServiceError):
    code = Code.FAILED_PRECONDITION
    reason = "TEAPOT"


class Servicer(chat_pb2_grpc.ChatServiceServicer):
    """Does what the model's name asks for."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.seen_trace = ""

    async def ListModels(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling
        self.seen_trace = structlog.contextvars.get_contextvars()["trace_id"]
        return chat_pb2.ListModelsResponse()

    async def StreamTurn(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's spelling
        yield chat_pb2.StreamTurnResponse(delta=chat_pb2.TurnDelta(text="first"))
        if request.model == "teapot":
            raise TeapotError("short and stout", metadata={"spout": "1"})
        if request.model == "bug":
            raise ZeroDivisionError("secret detail")
        if request.model == "endless":
            try:
                await asyncio.sleep(60)
            finally:
                self.cancelled.set()
        if request.model == "slow":
            await asyncio.sleep(0.4)
        yield chat_pb2.StreamTurnResponse(delta=chat_pb2.TurnDelta(text="last"))


@asynccontextmanager
async def served(registry: CollectorRegistry, port: int = 0) -> AsyncIterator[tuple[Servicer, GrpcServer]]:
    server = GrpcServer(host="127.0.0.1", port=port, drain_s=5, metrics=RpcMetrics(registry), telemetry=Telemetry(None))
    # What is not asked here stays abstract.
    servicer = Servicer()  # type: ignore[abstract]
    chat_pb2_grpc.add_ChatServiceServicer_to_server(servicer, server.grpc)
    await server.start("queqiao.chat.v1.ChatService")
    try:
        yield servicer, server
    finally:
        await server.grpc.stop(0)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def running(registry: CollectorRegistry) -> AsyncIterator[tuple[Servicer, GrpcServer, Peer]]:
    async with served(registry) as (servicer, server):
        peer = Peer("chat", f"127.0.0.1:{server.port}", Telemetry(None))
        yield servicer, server, peer
        await peer.close()


Running = tuple[Servicer, GrpcServer, Peer]


async def texts(peer: Peer, model: str, timeout_s: float = 5) -> list[str]:
    stub = chat_pb2_grpc.ChatServiceStub(peer.channel)
    request = chat_pb2.StreamTurnRequest(model=model)
    async with aclosing(peer.stream(stub.StreamTurn, request, timeout_s=timeout_s)) as responses:
        return [response.delta.text async for response in responses]


async def test_an_error_raised_in_a_stream_arrives_whole(running: Running) -> None:
    with pytest.raises(ServiceError) as caught:
        await texts(running[2], "teapot")
    assert (caught.value.wire_code, caught.value.wire_reason) == (Code.FAILED_PRECONDITION, "TEAPOT")
    assert caught.value.metadata == {"spout": "1"}


async def test_a_bug_is_logged_and_told_without_its_details(running: Running) -> None:
    with capture_logs() as events, pytest.raises(UnavailableError) as caught:
        await texts(running[2], "bug")
    assert "secret" not in caught.value.message
    assert [event["event"] for event in events if event["log_level"] == "error"] == ["unexpected error"]


async def test_a_deadline_cancels_the_call_on_both_sides(running: Running) -> None:
    servicer, _, peer = running
    with pytest.raises(UnavailableError):
        await texts(peer, "endless", timeout_s=0.2)
    async with asyncio.timeout(1):
        await servicer.cancelled.wait()


async def test_closing_a_stream_cancels_it_at_the_peer(running: Running) -> None:
    servicer, _, peer = running
    stub = chat_pb2_grpc.ChatServiceStub(peer.channel)
    request = chat_pb2.StreamTurnRequest(model="endless")
    async with aclosing(peer.stream(stub.StreamTurn, request, timeout_s=60)) as responses:
        await anext(responses)
    async with asyncio.timeout(1):
        await servicer.cancelled.wait()


async def test_the_trace_travels_with_every_call(running: Running) -> None:
    servicer, _, peer = running
    adopt_traceparent(TRACEPARENT)
    stub = chat_pb2_grpc.ChatServiceStub(peer.channel)
    await peer.unary(stub.ListModels, chat_pb2.ListModelsRequest(), timeout_s=5)
    assert servicer.seen_trace == TRACEPARENT.split("-")[1]


async def test_calls_are_counted_by_method_and_code(running: Running, registry: CollectorRegistry) -> None:
    await texts(running[2], "fine")
    with pytest.raises(ServiceError):
        await texts(running[2], "teapot")
    method = "/queqiao.chat.v1.ChatService/StreamTurn"
    for code in ("OK", "FAILED_PRECONDITION"):
        labels = {"grpc_method": method, "grpc_code": code}
        assert registry.get_sample_value("grpc_server_handled_total", labels) == 1
    assert registry.get_sample_value("grpc_server_in_flight", {"grpc_method": method}) == 0


async def test_a_drain_says_so_and_lets_running_streams_finish(running: Running) -> None:
    _, server, peer = running
    stream = asyncio.create_task(texts(peer, "slow"))
    await asyncio.sleep(0.1)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        drain = asyncio.create_task(server.drain())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
    assert await stream == ["first", "last"]
    await drain
    with pytest.raises(UnavailableError):
        await texts(peer, "fine", timeout_s=1)


async def test_a_port_in_use_is_one_sentence(running: Running) -> None:
    with pytest.raises(StartupError, match="the port is in use"):
        async with served(CollectorRegistry(), running[1].port):
            pass
