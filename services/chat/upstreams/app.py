"""Builds the providers: the part of the composition root that knows them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from opentelemetry import trace
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from redis.asyncio import Redis

from services.chat.upstreams.accounts import Provider
from services.chat.upstreams.budget import RedisBudgets
from services.chat.upstreams.hedging import Hedging
from services.chat.upstreams.kinds import kinds
from services.chat.upstreams.metrics import UpstreamMetrics
from services.chat.upstreams.pool import Pool
from services.chat.upstreams.provider import ProviderClient
from services.chat.upstreams.settings import ProviderSettings, UpstreamSettings
from services.chat.upstreams.settings_file import read_upstreams


def upstream_settings(file: Path | None, environ: Mapping[str, str], otherwise: ProviderSettings) -> UpstreamSettings:
    """What the file says; without a file, one provider.

    Args:
        file: `UPSTREAMS_FILE`.
        environ: Where the file's `env:NAME` are looked up.
        otherwise: Who is asked when there is no file.

    Raises:
        ConfigurationError: The file is wrong.
    """
    if file is not None:
        return read_upstreams(file, environ)
    return UpstreamSettings((otherwise,))


def single_provider(
    base_url: str, key: SecretStr, *, kind: str, connect_timeout_s: float, silence_timeout_s: float
) -> ProviderSettings:
    """The provider that there is without a file; an empty kind is told by the address."""
    return ProviderSettings(
        name="openai",
        base_url=base_url,
        keys=(key,),
        connect_timeout_s=connect_timeout_s,
        first_token_timeout_s=silence_timeout_s,
        silence_timeout_s=silence_timeout_s,
        kind=kind or kinds().of_address(base_url),
    )


@asynccontextmanager
async def open_upstreams(
    settings: UpstreamSettings, redis: Redis, registry: CollectorRegistry, tracer: trace.Tracer
) -> AsyncIterator[Pool]:
    """All providers as one, until the context closes."""
    metrics = UpstreamMetrics(registry)
    async with AsyncExitStack() as stack:
        yield Pool(
            [Provider(each, _clients(stack, each, tracer), settings.breaker, metrics) for each in settings.providers],
            budgets=RedisBudgets(redis),
            hedging=Hedging(settings.hedging),
            metrics=metrics,
        )


def _clients(stack: AsyncExitStack, settings: ProviderSettings, tracer: trace.Tracer) -> list[ProviderClient]:
    """One for each key; they share their connections."""
    session = aiohttp.ClientSession(
        # As many calls at once as there are turns.
        connector=aiohttp.TCPConnector(limit=0),
        # What a provider sets would be sent with every key of it.
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.silence_timeout_s
        ),
        proxy=_proxy(settings.base_url),
    )
    stack.push_async_callback(session.close)
    return [ProviderClient(session, key, settings, tracer) for key in settings.keys]


def _proxy(base_url: str) -> str | None:
    """The proxy that the usual variables name for this address.

    Looked up once: aiohttp's `trust_env` asks two threads before each request, for these variables and for ~/.netrc.
    """
    address = urlsplit(base_url)
    return None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)
