"""A merchant's server that keeps every callback it is sent and answers as a test wishes."""

import asyncio
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class Received:
    """One callback."""

    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What a callback is answered; the default pleases APIv3."""

    status: int = 204
    body: bytes = b""
    after_s: float = 0.0


class Callbacks:
    """Listens on a free loopback port while its context is open.

    `replies` are given in turn; after the last one, or when there are none, `usual` is.
    """

    def __init__(self, usual: Reply = Reply()) -> None:
        self.url = ""
        self.usual = usual
        self.replies: list[Reply] = []
        self._received: asyncio.Queue[Received] = asyncio.Queue()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=1)

    async def __aenter__(self) -> "Callbacks":
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/notify"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def next(self, timeout_s: float = 5.0) -> Received:
        """The next callback.

        Raises:
            TimeoutError: None came in time.
        """
        async with asyncio.timeout(timeout_s):
            return await self._received.get()

    async def nothing_comes(self, within_s: float) -> bool:
        """Whether no callback arrives within this time."""
        try:
            await self.next(within_s)
        except TimeoutError:
            return True
        return False

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._received.put_nowait(Received(request.path, dict(request.headers), dict(request.query), body))
        reply = self.replies.pop(0) if self.replies else self.usual
        await asyncio.sleep(reply.after_s)
        return web.Response(status=reply.status, body=reply.body)
