"""Listening."""

import pytest

from services.gateway.edge.server import HttpServer
from services.runtime.errors import StartupError


def server(port: int, *, shared: bool = False) -> HttpServer:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("nobody asks")

    return HttpServer(
        app, host="127.0.0.1", port=port, port_shared=shared, drain_s=0, notice_s=0, on_drain=lambda: None
    )


async def test_a_port_in_use_is_one_sentence() -> None:
    first = server(0)
    await first.start()
    try:
        with pytest.raises(StartupError, match=f"127.0.0.1:{first.port}: the port is in use"):
            await server(first.port).start()
    finally:
        await first.close()


async def test_a_port_can_be_taken_again_at_once() -> None:
    first = server(0)
    await first.start()
    await first.drain()
    again = server(first.port)
    await again.start()
    await again.close()


async def test_a_port_is_shared_only_by_those_who_say_so() -> None:
    first, second = server(0, shared=True), None
    await first.start()
    try:
        second = server(first.port, shared=True)
        await second.start()
        assert second.port == first.port
        with pytest.raises(StartupError, match="the port is in use"):
            await server(first.port).start()
    finally:
        await first.close()
        if second is not None:
            await second.close()
