"""Providers behind a proxy, which the usual variables name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry import trace
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from redis.asyncio import Redis

from sandbox.ports import free_ports
from services.chat.upstreams.app import open_upstreams, single_provider
from services.chat.upstreams.settings import UpstreamSettings


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that answers in everybody's stead, and what it was asked for."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(text='{"data": [{"id": "behind-the-proxy"}]}', content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    port = free_ports(1)[0]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}", asked
    finally:
        await runner.cleanup()


async def offered(base_url: str) -> list[str]:
    settings = single_provider(base_url, SecretStr("sk-secret"), kind="", connect_timeout_s=1.0, silence_timeout_s=1.0)
    registry, tracer = CollectorRegistry(), trace.NoOpTracer()
    async with open_upstreams(UpstreamSettings((settings,)), Redis(), registry, tracer) as pool:
        return [model.id for listing in await pool.list_models() for model in listing.models]


async def test_a_provider_is_asked_through_the_proxy_that_the_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as (url, asked):
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        assert await offered("http://provider.invalid/v1") == ["behind-the-proxy"]
    assert asked == ["http://provider.invalid/v1/models"]


async def test_a_provider_that_is_exempt_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as (url, asked):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await offered(f"{url}/v1") == ["behind-the-proxy"]
    assert asked == ["/v1/models"]
