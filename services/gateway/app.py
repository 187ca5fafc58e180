"""The gateway's composition root: the only place that builds its adapters."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg
from redis.asyncio import Redis
from starlette.routing import Router, WebSocketRoute
from starlette.types import ASGIApp

from services.gateway.admission.address_gate import AddressGate
from services.gateway.admission.gate import Gate
from services.gateway.admission.metrics import AdmissionMetrics
from services.gateway.admission.rate_limit import RateLimit
from services.gateway.admission.scheduler import Capacity, TurnScheduler
from services.gateway.admission.tiers import TierLimits, Tiers
from services.gateway.admission.turn_slots import TurnSlots
from services.gateway.chat.client import ChatClient
from services.gateway.chat.heartbeats import Heartbeats
from services.gateway.chat.relay import Relay
from services.gateway.chat.routes import ChatCompletions
from services.gateway.chat.socket_routes import ChatSockets
from services.gateway.chat.stream_routes import ChatStreams
from services.gateway.chat.turns import Turns
from services.gateway.config import GatewaySettings
from services.gateway.conversations.client import ConversationClient
from services.gateway.conversations.routes import ConversationRoutes
from services.gateway.edge import not_offered
from services.gateway.edge.cors import Cors
from services.gateway.edge.document_routes import DocumentRoutes
from services.gateway.edge.middleware import Edge
from services.gateway.edge.openapi import document
from services.gateway.edge.router import labels, router
from services.gateway.edge.server import HttpServer
from services.gateway.edge.tracing import traced
from services.gateway.edge.web_client import WebClient
from services.gateway.health.readiness import Dependency, Readiness
from services.gateway.health.routes import HealthRoutes
from services.gateway.identity.accounts import MIGRATIONS, SCHEMA, Accounts
from services.gateway.identity.authentication import Authenticator
from services.gateway.identity.cloud_run import CloudRun, demand_platform
from services.gateway.identity.erasure import Erasure
from services.gateway.identity.key_routes import KeyRoutes
from services.gateway.identity.keys import ApiKeys
from services.gateway.identity.login import Login
from services.gateway.identity.marks import OpenidMarks
from services.gateway.identity.me_routes import MeRoutes
from services.gateway.identity.principals import Principals
from services.gateway.identity.routes import AuthRoutes
from services.gateway.identity.sessions import Sessions
from services.gateway.identity.wechat import WeChatLogin
from services.gateway.metrics import GatewayMetrics
from services.gateway.models.names import ModelNames
from services.gateway.models.routes import ModelRoutes
from services.gateway.moderation.client import ModerationClient
from services.gateway.moderation.routes import ModerationRoutes
from services.gateway.orders.callback_routes import CallbackRoutes
from services.gateway.orders.client import PaymentClient
from services.gateway.orders.payers import Payers
from services.gateway.orders.routes import OrderRoutes
from services.gateway.policy.policy import Policy
from services.gateway.policy.view import Views
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.price_routes import PriceRoutes
from services.gateway.wallet.routes import WalletRoutes
from services.runtime.config import environment
from services.runtime.postgres import postgres_pool
from services.runtime.process import Runtime, Server, running
from services.runtime.redis import redis_client
from services.runtime.sealing import Sealer

# How many streams a user may go on with at once, for each turn that may run at once.
_FOLLOWERS = 4

# What the session keys of WeChat are sealed for.
_SESSION_KEYS = "queqiao gateway: wechat session keys"


@dataclass(frozen=True, slots=True)
class _Services:
    """The services behind the gateway."""

    chat: ChatClient
    conversations: ConversationClient
    billing: BillingClient
    payments: PaymentClient
    moderation: ModerationClient


@asynccontextmanager
async def app(settings: GatewaySettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Connect everything, serve, and close in reverse order."""
    policy = Policy.read(settings.platform_policy_file)
    demand_platform(
        trusted=settings.wechat_cloud_run,
        host=settings.host,
        mark=environment().get(settings.wechat_cloud_run_mark),
    )
    async with AsyncExitStack() as stack:
        database_url = settings.database_url.get_secret_value()
        pool = await stack.enter_async_context(
            postgres_pool(
                database_url,
                schema=SCHEMA,
                migrations=MIGRATIONS,
                connections_max=8,
                on_connect=runtime.stores.record,
                pooled=settings.database_pooled,
            )
        )
        redis = await stack.enter_async_context(redis_client(settings.redis_url.get_secret_value()))
        runtime.stores.postgres(pool, "gateway")
        runtime.stores.redis(redis, "gateway")
        chat_peer = runtime.peer("chat", settings.chat_target)
        stack.push_async_callback(chat_peer.close)
        billing_peer = runtime.peer(
            "billing",
            settings.billing_target,
            idempotent=("queqiao.billing.v1.BillingService", "queqiao.billing.v1.PaymentService"),
        )
        stack.push_async_callback(billing_peer.close)
        moderation_peer = runtime.peer("moderation", settings.moderation_target)
        stack.push_async_callback(moderation_peer.close)

        accounts = Accounts(pool, _marks(settings))
        chat = ChatClient(
            chat_peer, runtime.telemetry, turn_timeout_s=settings.turn_timeout_s, tenant=settings.wechat_appid
        )
        stack.push_async_callback(chat.close)
        services = _Services(
            chat=chat,
            conversations=ConversationClient(chat_peer),
            billing=BillingClient(billing_peer),
            payments=PaymentClient(billing_peer),
            moderation=ModerationClient(moderation_peer),
        )
        readiness = Readiness(
            {
                "postgres": Dependency(accounts.check),
                "redis": Dependency(redis.ping, essential=False),
                "chat": Dependency(services.chat.check),
                "billing": Dependency(services.billing.check),
                "moderation": Dependency(services.moderation.check, essential=False),
            }
        )
        metrics = GatewayMetrics(runtime.registry)
        admission = AdmissionMetrics(runtime.registry)
        erasure = Erasure(accounts, services.conversations, marks_days=settings.trial_again_after_days)
        await erasure.look()
        await stack.enter_async_context(running(erasure.keep_going()))
        routes = _routes(settings, pool, accounts, erasure, redis, services, readiness, metrics, admission, policy)
        server = HttpServer(
            _outermost(Edge(routes, labels(routes), metrics, traced=runtime.telemetry.on), settings, runtime),
            host=settings.host,
            port=settings.port,
            port_shared=settings.port_shared,
            drain_s=settings.drain_s,
            notice_s=settings.drain_notice_s,
            on_drain=readiness.begin_drain,
            frame_bytes_max=settings.body_bytes_max,
        )
        stack.push_async_callback(server.close)
        await server.start()
        yield server


def _marks(settings: GatewaySettings) -> OpenidMarks | None:
    if not settings.trial_again_after_days:
        return None
    previous = [each.get_secret_value() for each in settings.session_secrets_previous]
    return OpenidMarks(settings.session_secret.get_secret_value(), previous=previous)


def _outermost(edge: Edge, settings: GatewaySettings, runtime: Runtime) -> ASGIApp:
    """The application with spans, and with CORS where pages of other origins are allowed."""
    app = traced(edge, runtime.telemetry)
    return Cors(app, settings.cors_origins) if settings.cors_origins else app


def _routes(
    settings: GatewaySettings,
    pool: "asyncpg.Pool[asyncpg.Record]",
    accounts: Accounts,
    erasure: Erasure,
    redis: Redis,
    services: _Services,
    readiness: Readiness,
    metrics: GatewayMetrics,
    admission: AdmissionMetrics,
    policy: Policy,
) -> Router:
    """Every path and what answers it."""
    secret, body_bytes_max = settings.session_secret.get_secret_value(), settings.body_bytes_max
    previous = [each.get_secret_value() for each in settings.session_secrets_previous]
    sessions = Sessions(accounts, secret, previous=previous)
    payers = Payers(accounts, Sealer(secret, purpose=_SESSION_KEYS, previous=previous))
    platform = WeChatLogin(
        base_url=settings.wechat_api_base_url,
        appid=settings.wechat_appid,
        secret=settings.wechat_secret.get_secret_value(),
    )
    rate_limit = RateLimit(redis, admission)
    cloud_run = CloudRun(
        accounts, services.billing, erasure, settings.wechat_appid, metrics, trusted=settings.wechat_cloud_run
    )
    keys = ApiKeys(pool)
    limits = TierLimits(
        trial_per_minute=settings.rate_limit_trial_per_minute,
        paid_per_minute=settings.rate_limit_paid_per_minute,
        key_per_minute=settings.rate_limit_key_per_minute,
        paid_weight=settings.queue_weight_paid,
    )
    gate = Gate(Authenticator(keys, sessions, cloud_run, erasure), Tiers(services.billing), limits, rate_limit)
    login_gate = AddressGate(
        rate_limit,
        "login",
        per_minute=settings.login_limit_per_minute,
        trusted_proxies=settings.trusted_proxies,
    )
    principals = Principals(accounts)
    views = Views(policy, principals)
    names = ModelNames(services.chat, views)
    relay, heartbeats = Relay(metrics), Heartbeats(settings.heartbeat_s)
    scheduler = TurnScheduler(
        Capacity(
            running_max=settings.turns_max,
            running_per_user_max=settings.concurrent_turns_max,
            waiting_max=settings.queue_max,
            waiting_per_user_max=settings.queue_per_user_max,
            wait_s_max=settings.queue_wait_s,
        ),
        admission,
    )
    turns = Turns(gate, scheduler, principals, views, names, services.chat)
    login = Login(platform, accounts, payers, services.billing, sessions)
    features = (
        ChatCompletions(
            gate,
            turns,
            relay,
            body_bytes_max=body_bytes_max,
            heartbeats=heartbeats,
        ),
        ChatStreams(
            gate,
            TurnSlots(per_user_max=_FOLLOWERS * settings.concurrent_turns_max),
            views,
            services.chat,
            relay,
            heartbeats,
        ),
        ConversationRoutes(
            gate,
            views,
            services.conversations,
            body_bytes_max=body_bytes_max,
            producer=settings.content_producer,
        ),
        ModelRoutes(gate, views, names, services.chat, services.billing),
        ModerationRoutes(gate, principals, services.moderation, body_bytes_max=body_bytes_max),
        MeRoutes(gate, views, accounts, principals, services.billing, erasure, body_bytes_max=body_bytes_max),
        WalletRoutes(gate, views, services.billing),
        PriceRoutes(gate, views, services.billing, services.payments),
        OrderRoutes(
            gate,
            views,
            payers,
            services.payments,
            rate_limit,
            orders_per_minute=settings.order_limit_per_minute,
            body_bytes_max=body_bytes_max,
            trusted_proxies=settings.trusted_proxies,
        ),
        CallbackRoutes(services.payments, concurrent_max=settings.callbacks_max),
        AuthRoutes(login_gate, login, sessions, body_bytes_max=body_bytes_max),
        KeyRoutes(gate, keys, body_bytes_max=body_bytes_max),
        HealthRoutes(readiness),
    )
    web_client = WebClient(settings.web_client_dir) if settings.web_client_dir else None
    operations = [operation for feature in features for operation in feature.operations()]
    sockets = ChatSockets(
        gate,
        turns,
        views,
        services.chat,
        metrics,
        per_user_max=settings.sockets_per_user_max,
    )
    return router(
        operations,
        [
            WebSocketRoute("/v1/ws", sockets.serve),
            *DocumentRoutes(partial(document, operations), web_client).routes(),
            *not_offered.routes(),
        ],
    )
