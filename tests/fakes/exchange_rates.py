"""A rate service over HTTP that says what it is told to say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass
class RateService:
    """What it says, and where; `asked` counts."""

    url: str = ""
    body: str = '{"base":"USD","rates":{"CNY":7.2}}'
    status: int = 200
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Say it."""
        self.asked += 1
        return web.Response(text=self.body, status=self.status)


@asynccontextmanager
async def rate_service() -> AsyncIterator[RateService]:
    """One on a free port of this machine."""
    service = RateService()
    app = web.Application()
    app.router.add_get("/latest", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/latest"
        yield service
    finally:
        await runner.cleanup()
