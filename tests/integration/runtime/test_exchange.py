"""A long-lived call: in order, reopened when it broke, and never confused after a failure."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from services.runtime.channels import Peer
from services.runtime.errors import InvalidRequestError, ServiceError, UnavailableError
from services.runtime.exchange import Exchange, ExchangePool
from services.runtime.interceptors import Observe, RpcMetrics
from services.runtime.trace import Telemetry


class Echo:
    """Releases as many characters as the window has; does what a window's text asks for."""

    def __init__(self) -> None:
        self.calls = 0

    async def screen(self, request_iterator: Any, context: Any) -> Any:
        self.calls += 1
        async for request in request_iterator:
            text = request.windows[0].text
            if text == "slow":
                await asyncio.sleep(0.5)
            if text == "bad":
                raise InvalidRequestError("bad")
            if text == "end" and self.calls == 1:
                return
            result = moderation_pb2.WindowResult(released_characters=len(text))
            yield moderation_pb2.ScreenOutputResponse(results=[result])


@asynccontextmanager
async def echo(port: int = 0) -> AsyncIterator[tuple[Echo, int, grpc.aio.Server]]:
    servicer, server = Echo(), grpc.aio.server(interceptors=[Observe(RpcMetrics(CollectorRegistry()))])
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.screen,
        request_deserializer=moderation_pb2.ScreenOutputRequest.FromString,
        response_serializer=moderation_pb2.ScreenOutputResponse.SerializeToString,
    )
    service = "queqiao.moderation.v1.ModerationService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"ScreenOutput": handler})])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield servicer, port, server
    finally:
        await server.stop(0)


def pool_with(peer: Peer, *, calls: int) -> ExchangePool[Any, Any]:
    stub: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    return ExchangePool(peer, stub.ScreenOutput, calls=calls, timeout_s=5)


def exchange_with(peer: Peer) -> Exchange[Any, Any]:
    stub: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    return Exchange(peer, stub.ScreenOutput, timeout_s=0.2)


async def released(exchange: Exchange[Any, Any] | ExchangePool[Any, Any], text: str) -> int:
    window = moderation_pb2.OutputWindow(request_id="r", text=text)
    response = await exchange.send(moderation_pb2.ScreenOutputRequest(windows=[window]))
    characters: int = response.results[0].released_characters
    return characters


async def test_many_requests_share_one_call() -> None:
    async with echo() as (servicer, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        exchange = exchange_with(peer)
        assert [await released(exchange, "x" * n) for n in range(1, 50)] == list(range(1, 50))
        assert servicer.calls == 1
        await peer.close()


async def test_requests_share_a_few_calls_and_wait_for_one_that_is_idle() -> None:
    async with echo() as (servicer, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        exchanges = pool_with(peer, calls=2)
        texts = ["slow", "slow", "x", "xx", "xxx"]
        assert await asyncio.gather(*(released(exchanges, text) for text in texts)) == [4, 4, 1, 2, 3]
        assert servicer.calls == 2
        await peer.close()


async def test_a_call_that_failed_is_idle_again() -> None:
    async with echo() as (_, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        exchanges = pool_with(peer, calls=1)
        with pytest.raises(ServiceError):
            await released(exchanges, "bad")
        assert await released(exchanges, "good") == 4
        await peer.close()


async def test_a_call_that_ended_is_opened_anew() -> None:
    async with echo() as (servicer, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        assert await released(exchange_with(peer), "end") == 3
        assert servicer.calls == 2
        await peer.close()


async def test_a_late_response_is_not_taken_for_the_next_one() -> None:
    async with echo() as (_, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        exchange = exchange_with(peer)
        with pytest.raises(UnavailableError):
            await released(exchange, "slow")
        assert await released(exchange, "fine!") == 5
        await peer.close()


async def test_an_error_of_the_peer_arrives_as_it_was_raised_and_the_next_request_works() -> None:
    async with echo() as (_, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        exchange = exchange_with(peer)
        with pytest.raises(ServiceError) as caught:
            await released(exchange, "bad")
        assert caught.value.wire_reason == "INVALID_REQUEST"
        assert await released(exchange, "good") == 4
        await peer.close()


async def test_a_peer_that_is_replaced_is_found_again() -> None:
    async with echo() as (_, port, _):
        peer = Peer("moderation", f"127.0.0.1:{port}", Telemetry(None))
        exchange = exchange_with(peer)
        assert await released(exchange, "one") == 3
    async with echo(port), asyncio.timeout(10):
        while True:
            try:
                assert await released(exchange, "three") == 5
                break
            except UnavailableError:
                await asyncio.sleep(0.05)
    await peer.close()
