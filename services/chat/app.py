"""The chat service's composition root: the only place that builds its adapters."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from queqiao.chat.v1 import chat_pb2_grpc
from redis.asyncio import Redis

from services.chat.answers.cache import Answers
from services.chat.answers.store import TieredAnswerStore
from services.chat.background import Background
from services.chat.clients import ModerationClient, WalletClient
from services.chat.config import ChatSettings
from services.chat.conversations.asking import CheapModel
from services.chat.conversations.conversations import Conversations
from services.chat.conversations.erasure import ConversationErasure
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.conversations.ratings import Ratings
from services.chat.conversations.summaries import NoSummaries, Summaries
from services.chat.erasure import Erasure
from services.chat.lasting_wallet import LastingWallet
from services.chat.metrics import TurnMetrics, WatchedTurns
from services.chat.pump import Pump
from services.chat.quarantine import UsageQuarantine
from services.chat.servicer import ChatServicer
from services.chat.settlement import Settlement
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.recovery import Recovery
from services.chat.streams.registry import TurnRegistry
from services.chat.streams.servicer import Exchanges
from services.chat.tokens import TiktokenTokenizer
from services.chat.turn import Turns
from services.chat.upstreams.app import open_upstreams, single_provider, upstream_settings
from services.chat.upstreams.catalogue import Catalogue
from services.chat.upstreams.known import KnownModels
from services.chat.upstreams.settings import UpstreamSettings
from services.runtime.channels import Peer
from services.runtime.config import environment
from services.runtime.errors import ConfigurationError
from services.runtime.postgres import postgres_pool
from services.runtime.process import Runtime, Server, running
from services.runtime.redis import redis_client

SERVICE = "queqiao.chat.v1.ChatService"

# A replica that has been silent for so many seconds is dead.
_DEAD_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class _Outside:
    """What this service stands on."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    redis: Redis
    moderation: Peer
    billing: Peer
    background: Background


@asynccontextmanager
async def app(settings: ChatSettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Connect everything, serve, and close in reverse order."""
    known, upstreams = KnownModels.read(settings.models_file), _upstreams(settings)
    async with AsyncExitStack() as stack:
        outside = await _outside(stack, settings, runtime)
        upstream = await stack.enter_async_context(
            open_upstreams(upstreams, outside.redis, runtime.registry, runtime.telemetry.tracer("queqiao.chat"))
        )
        tokenizer = _tokenizer(known, settings)
        catalogue = Catalogue(known, upstream, tokenizer.prepare)
        metrics = TurnMetrics(runtime.registry)
        ledger = WalletClient(outside.billing, turn_s_max=settings.turn_timeout_s)
        wallet = LastingWallet(ledger, expiry_s=ledger.reserved_s)
        await stack.enter_async_context(running(wallet.keep_going()))
        stack.push_async_callback(wallet.finish)
        moderation = ModerationClient(outside.moderation)
        hot = HotWindows(
            outside.redis, ttl_s=settings.hot_conversation_ttl_s, tokens_max=settings.hot_conversation_tokens_max
        )
        memory, conversations = StoredMemory(outside.pool, hot), Conversations(outside.pool, hot)
        cheap = CheapModel(catalogue, upstream, moderation)
        settlement = Settlement(
            models=catalogue,
            wallet=wallet,
            memory=memory,
            tokenizer=tokenizer,
            quarantine=UsageQuarantine(outside.pool, outside.background, runtime.registry),
            summaries=Summaries(outside.pool, hot, cheap.ask, outside.background)
            if settings.summaries
            else NoSummaries(),
            cache_charge=settings.answer_cache_charge,
        )
        store = TieredAnswerStore(
            outside.redis, ttl_s=settings.answer_cache_ttl_s, local_bytes_max=settings.answer_cache_bytes_max
        )
        turns = Turns(
            models=catalogue,
            memory=memory,
            moderation=moderation,
            wallet=wallet,
            answers=Answers(store, metrics),
            upstream=upstream,
            tokenizer=tokenizer,
            settlement=settlement,
            pump=Pump(moderation),
            background=outside.background,
            metrics=metrics,
        )
        registry = await _registry(stack, settings, outside, WatchedTurns(turns, metrics), settlement)
        server = runtime.grpc_server()
        ratings = Ratings(outside.pool, runtime.registry)
        erasure = Erasure(ConversationErasure(outside.pool, hot), registry)
        exchanges = Exchanges(registry, server.endless, server.item_calls(SERVICE))
        servicer = ChatServicer(registry, catalogue, conversations, ratings, erasure, exchanges)
        chat_pb2_grpc.add_ChatServiceServicer_to_server(servicer, server.grpc)
        await stack.enter_async_context(running(catalogue.keep_fresh()))
        await stack.enter_async_context(running(conversations.keep_purging(settings.purge_after_days)))
        await server.start(SERVICE)
        yield server


async def _outside(stack: AsyncExitStack, settings: ChatSettings, runtime: Runtime) -> _Outside:
    """Connect the stores and the peers."""
    pool = await stack.enter_async_context(
        postgres_pool(
            settings.database_url.get_secret_value(),
            schema="chat",
            migrations=Path(__file__).with_name("migrations"),
            connections_max=16,
            on_connect=runtime.stores.record,
            pooled=settings.database_pooled,
        )
    )
    redis = await stack.enter_async_context(redis_client(settings.redis_url.get_secret_value()))
    runtime.stores.postgres(pool, "chat")
    runtime.stores.redis(redis, "chat")
    moderation = runtime.peer(
        "moderation", settings.moderation_target, idempotent=("queqiao.moderation.v1.ModerationService",)
    )
    stack.push_async_callback(moderation.close)
    billing = runtime.peer("billing", settings.billing_target, idempotent=("queqiao.billing.v1.BillingService",))
    stack.push_async_callback(billing.close)
    return _Outside(pool, redis, moderation, billing, Background())


async def _registry(
    stack: AsyncExitStack, settings: ChatSettings, outside: _Outside, turns: WatchedTurns, settlement: Settlement
) -> TurnRegistry:
    """The turns of this replica. When the service stops, each ends, is settled and written down, in this order."""
    replica = f"{settings.service_instance}-{secrets.token_hex(4)}"
    log = RedisTurnLog(outside.redis, replica=replica, ttl_s=settings.stream_ttl_s)
    registry = TurnRegistry(turns, log, grace_s=settings.disconnect_grace_s, timeout_s=settings.turn_timeout_s)
    recovery = Recovery(
        outside.redis,
        log,
        settlement.close_lost,
        replica=replica,
        stop=registry.stop_here,
        dead_after_s=_DEAD_AFTER_S,
    )
    stack.push_async_callback(recovery.leave)
    await stack.enter_async_context(running(recovery.run()))
    stack.push_async_callback(log.flush)
    stack.push_async_callback(outside.background.drain)
    stack.push_async_callback(registry.drain)
    return registry


def _upstreams(settings: ChatSettings) -> UpstreamSettings:
    return upstream_settings(
        settings.upstreams_file,
        environment(),
        otherwise=single_provider(
            settings.openai_base_url,
            settings.openai_api_key,
            kind=settings.openai_kind,
            connect_timeout_s=settings.upstream_connect_timeout_s,
            silence_timeout_s=settings.upstream_silence_timeout_s,
        ),
    )


def _tokenizer(known: KnownModels, settings: ChatSettings) -> TiktokenTokenizer:
    try:
        return TiktokenTokenizer(known.encodings)
    except ValueError as error:
        raise ConfigurationError(f"{settings.models_file} is wrong: {error}.") from None
