"""The gateway's composition root: the only place that builds its adapters."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from redis.asyncio import Redis
from starlette.types import ASGIApp

from services.gateway.accounts import MIGRATIONS, SCHEMA, Accounts
from services.gateway.admission import Gate, RateLimit, TurnSlots
from services.gateway.authentication import Authenticator
from services.gateway.clients import BillingClient, ChatClient
from services.gateway.config import GatewaySettings
from services.gateway.edge import Edge
from services.gateway.health import Dependency, Readiness
from services.gateway.http_server import HttpServer
from services.gateway.login import Login
from services.gateway.metrics import GatewayMetrics
from services.gateway.routes import labels, router
from services.gateway.routes.auth import AuthRoutes
from services.gateway.routes.chat import ChatCompletions
from services.gateway.routes.health import HealthRoutes
from services.gateway.routes.models import ModelRoutes
from services.gateway.routes.wallet import WalletRoutes
from services.gateway.sessions import Sessions
from services.gateway.wechat import WeChatLogin
from services.runtime.postgres import postgres_pool
from services.runtime.process import Runtime, Server
from services.runtime.redis import redis_client


@asynccontextmanager
async def app(settings: GatewaySettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Connect everything, serve, and close in reverse order."""
    async with AsyncExitStack() as stack:
        database_url = settings.database_url.get_secret_value()
        pool = await stack.enter_async_context(
            postgres_pool(database_url, schema=SCHEMA, migrations=MIGRATIONS, connections_max=8)
        )
        redis = await stack.enter_async_context(redis_client(settings.redis_url.get_secret_value()))
        chat_peer = runtime.peer("chat", settings.chat_target)
        stack.push_async_callback(chat_peer.close)
        billing_peer = runtime.peer(
            "billing", settings.billing_target, idempotent=("queqiao.billing.v1.BillingService",)
        )
        stack.push_async_callback(billing_peer.close)

        accounts = Accounts(pool)
        chat = ChatClient(chat_peer, turn_timeout_s=settings.turn_timeout_s)
        billing = BillingClient(billing_peer)
        readiness = Readiness(
            {
                "postgres": Dependency(accounts.check),
                "redis": Dependency(redis.ping, essential=False),
                "chat": Dependency(chat.check),
                "billing": Dependency(billing.check),
            }
        )
        server = HttpServer(
            _http(settings, runtime, accounts, redis, chat, billing, readiness),
            host=settings.host,
            port=settings.port,
            drain_s=settings.drain_s,
            notice_s=settings.drain_notice_s,
            on_drain=readiness.begin_drain,
        )
        stack.push_async_callback(server.close)
        await server.start()
        yield server


def _http(
    settings: GatewaySettings,
    runtime: Runtime,
    accounts: Accounts,
    redis: Redis,
    chat: ChatClient,
    billing: BillingClient,
    readiness: Readiness,
) -> ASGIApp:
    """The ASGI application."""
    metrics = GatewayMetrics(runtime.registry)
    sessions = Sessions(accounts, settings.session_secret.get_secret_value())
    platform = WeChatLogin(
        base_url=settings.wechat_api_base_url,
        appid=settings.wechat_appid,
        secret=settings.wechat_secret.get_secret_value(),
    )
    gate = Gate(
        Authenticator(accounts, sessions),
        RateLimit(redis, per_minute=settings.rate_limit_per_minute, metrics=metrics),
    )
    routes = router(
        health=HealthRoutes(readiness),
        auth=AuthRoutes(Login(platform, accounts, billing, sessions), sessions, body_bytes_max=settings.body_bytes_max),
        models=ModelRoutes(gate, chat),
        wallet=WalletRoutes(gate, billing),
        completions=ChatCompletions(
            gate,
            TurnSlots(per_user_max=settings.concurrent_turns_max),
            chat,
            metrics,
            body_bytes_max=settings.body_bytes_max,
            heartbeat_s=settings.heartbeat_s,
        ),
    )
    edge = Edge(routes, labels(routes), metrics, traced=runtime.telemetry.on)
    if not runtime.telemetry.on:
        return edge
    return OpenTelemetryMiddleware(
        edge,
        excluded_urls="healthz,readyz",
        tracer_provider=runtime.telemetry.provider,
        # A span for each chunk of a stream would cost more than the chunk.
        exclude_spans=["send", "receive"],
    )
