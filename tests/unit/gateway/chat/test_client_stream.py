"""Heartbeats and leaving, without a network."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.types import Message

from services.gateway.chat.client_stream import ClientStream
from services.gateway.chat.heartbeats import Heartbeats
from services.gateway.errors import ClientGoneError


class Client:
    """A client that leaves when told, and reads unless told otherwise."""

    def __init__(self, *, heartbeat_s: float = 60) -> None:
        self.sent: list[bytes] = []
        self.gone = self.full = False
        self._on_gone: list[Callable[[], None]] = []
        self.stream = ClientStream(self._send, self, Heartbeats(heartbeat_s))

    def leave(self) -> None:
        self.gone = True
        for on_gone in tuple(self._on_gone):
            on_gone()

    async def room(self) -> None:
        await asyncio.sleep(60)

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    @contextmanager
    def watching(self, on_gone: Callable[[], None]) -> Iterator[None]:
        self._on_gone.append(on_gone)
        yield
        self._on_gone.remove(on_gone)

    async def _send(self, message: Message) -> None:
        self.sent.append(message.get("body", b"headers"))


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    client = Client()
    with pytest.raises(ClientGoneError):
        async with client.stream.attended():
            client.leave()
            await asyncio.sleep(5)


async def test_a_client_that_reads_nothing_any_more_is_gone() -> None:
    client = Client(heartbeat_s=0.05)
    with pytest.raises(ClientGoneError):
        async with client.stream.attended():
            await client.stream.start({})
            client.full = True
            client.stream.write(b"x")
            await client.stream.room()


async def test_whoever_has_left_before_is_gone_at_once() -> None:
    client = Client()
    client.leave()
    with pytest.raises(ClientGoneError):
        async with client.stream.attended():
            pytest.fail("nobody is there")


async def test_a_client_that_reads_again_in_time_stays() -> None:
    client = Client(heartbeat_s=0.1)
    async with client.stream.attended():
        await client.stream.start({})
        for full in (True, False) * 2:
            client.full = full
            await asyncio.sleep(0.12)
    assert set(client.sent[1:]) == {b": ping\n\n"}


async def test_a_cancellation_from_elsewhere_is_passed_on() -> None:
    client = Client()

    async def work() -> None:
        async with client.stream.attended():
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_leaves_afterwards_disturbs_nobody() -> None:
    client = Client()
    async with client.stream.attended():
        pass
    client.leave()
    await asyncio.sleep(0.01)


async def test_errors_of_the_work_come_out_as_they_are() -> None:
    with pytest.raises(ValueError, match="work"):
        async with Client().stream.attended():
            raise ValueError("work")


async def test_nothing_is_sent_before_the_headers() -> None:
    client = Client(heartbeat_s=0.01)
    async with client.stream.attended():
        await asyncio.sleep(0.05)
    assert client.sent == []


async def test_a_stream_that_speaks_has_no_heartbeats() -> None:
    client = Client(heartbeat_s=0.2)
    async with client.stream.attended():
        await client.stream.start({})
        for _ in range(10):
            await asyncio.sleep(0.05)
            client.stream.write(b"x")
    assert client.sent == [b"headers", *[b"x"] * 10]


async def test_no_silence_is_longer_than_the_heartbeat() -> None:
    client = Client(heartbeat_s=0.1)
    async with client.stream.attended():
        await asyncio.sleep(0.05)
        await client.stream.start({})
        await asyncio.sleep(0.17)
        client.stream.write(b"x")
        await asyncio.sleep(0.17)
    assert client.sent == [b"headers", b": ping\n\n", b"x", b": ping\n\n"]
