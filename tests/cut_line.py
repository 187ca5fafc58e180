"""A TCP line to a real server that can be cut, and that can lose the answer to a request which arrived."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class CutLine:
    """Forwards bytes both ways, until it is told otherwise."""

    def __init__(self, url: str) -> None:
        """Lead to the server at this URL."""
        self._parts = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._losing: bytes | None = None
        self._is_cut = False
        self.lost = 0

    @property
    def url(self) -> str:
        """The server's URL, over this line."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        host = self._parts.netloc.rsplit("@", 1)
        return urlunsplit(self._parts._replace(netloc="@".join([*host[:-1], f"127.0.0.1:{port}"])))

    def lose_answer(self, request: bytes) -> None:
        """Break the connection on which the next request with this in it was answered, in place of the answer."""
        self._losing = request

    def cut(self) -> None:
        """Break every connection, and every one that is made from now on."""
        self._is_cut = True
        for writer in tuple(self._writers):
            writer.close()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.close()
            return
        there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        ends = {writer, there[1]}
        self._writers |= ends
        loses = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._requests(reader, there[1], loses))
                pumps.create_task(self._answers(there[0], writer, loses))
        except* (OSError, EOFError):
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, loses: asyncio.Event) -> None:
        while data := await reader.read(65_536):
            if self._losing is not None and self._losing in data:
                self._losing = None
                loses.set()
            writer.write(data)
            await writer.drain()
        raise EOFError

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, loses: asyncio.Event) -> None:
        while data := await reader.read(65_536):
            if loses.is_set():
                self.lost += 1
                raise EOFError
            writer.write(data)
            await writer.drain()
        raise EOFError


@asynccontextmanager
async def cut_line(url: str) -> AsyncIterator[CutLine]:
    """A line to the server at this URL."""
    line = CutLine(url)
    server = line._server = await asyncio.start_server(line._serve, "127.0.0.1", 0)
    try:
        yield line
    finally:
        line.cut()
        server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await server.wait_closed()
