"""Bodies that are written without a task, through a real server and sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from starlette.types import Receive, Scope, Send

from services.gateway.edge.live_body import LiveBody, live_body
from services.gateway.edge.server import HttpServer

Answer = Callable[[LiveBody], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    """A server whose every answer is begun and completed as usual, and written meanwhile by `answer`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await answer(live_body(scope))
        await send({"type": "http.response.body", "body": b"!", "more_body": False})

    server = HttpServer(app, host="127.0.0.1", port=0, drain_s=0, notice_s=0, on_drain=lambda: None)
    await server.start()
    try:
        yield server.port
    finally:
        await server.close()


async def until_gone(body: LiveBody) -> None:
    gone = asyncio.Event()
    with body.watching(gone.set):
        async with asyncio.timeout(2):
            await gone.wait()


async def test_what_is_written_is_the_body_and_the_connection_takes_another_request() -> None:
    async def answer(body: LiveBody) -> None:
        body.write(b"one ")
        await asyncio.sleep(0.01)
        body.write("二 ".encode())
        body.write(b"three")

    async with serving(answer) as port, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        for _ in range(2):
            async with http.get(f"http://127.0.0.1:{port}/") as found:
                assert await found.text() == "one 二 three!"


@pytest.mark.parametrize("requests", [GET, GET * 2], ids=["alone", "with another behind it"])
async def test_a_client_that_leaves_is_noticed_at_once(requests: bytes) -> None:
    seen: list[LiveBody] = []
    left = asyncio.Event()

    async def answer(body: LiveBody) -> None:
        seen.append(body)
        await until_gone(body)
        body.write(b"to nobody")
        assert body.gone
        left.set()

    async with serving(answer) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(requests)
        while not seen:  # the server tells nobody
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert not seen[0].gone
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), 2)


async def test_who_writes_to_a_client_that_does_not_read_is_told_and_waits_for_it() -> None:
    filled = asyncio.Event()
    written = 0

    async def answer(body: LiveBody) -> None:
        nonlocal written
        while not body.full:
            body.write(b"x" * 10_000)
            written += 10_000
            await asyncio.sleep(0)
        filled.set()
        await body.room()
        assert not body.full

    async with serving(answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a TCP transport has it
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        await asyncio.wait_for(filled.wait(), 5)
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        whole = await asyncio.wait_for(reader.read(), 5)
        assert whole.count(b"x") == written
        writer.close()


async def test_a_body_has_no_beginning_of_its_own() -> None:
    asked = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(RuntimeError):
            live_body(scope).write(b"early")
        asked.set()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    server = HttpServer(app, host="127.0.0.1", port=0, drain_s=0, notice_s=0, on_drain=lambda: None)
    await server.start()
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{server.port}/") as found:
        assert found.status == 204
    assert asked.is_set()
    await server.close()
