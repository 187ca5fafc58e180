"""The chat service's composition root: the only place that builds its adapters."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import openai
from queqiao.chat.v1 import chat_pb2_grpc

from services.chat.catalogue import Catalogue, KnownModels
from services.chat.clients import ModerationClient, WalletClient
from services.chat.config import ChatSettings
from services.chat.memory import StoredMemory
from services.chat.metrics import TurnMetrics
from services.chat.pacing import Background, Pace
from services.chat.servicer import ChatServicer
from services.chat.tokens import TiktokenTokenizer
from services.chat.turn import Turns
from services.chat.upstream import OpenAIUpstream
from services.runtime.errors import StartupError
from services.runtime.postgres import postgres_pool
from services.runtime.process import Runtime, Server, running
from services.runtime.redis import redis_client

SERVICE = "queqiao.chat.v1.ChatService"


@asynccontextmanager
async def app(settings: ChatSettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Connect everything, serve, and close in reverse order."""
    known = KnownModels.read(settings.models_file)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            postgres_pool(
                settings.database_url.get_secret_value(),
                schema="chat",
                migrations=Path(__file__).with_name("migrations"),
                connections_max=16,
            )
        )
        redis = await stack.enter_async_context(redis_client(settings.redis_url.get_secret_value()))
        moderation = runtime.peer(
            "moderation", settings.moderation_target, idempotent=("queqiao.moderation.v1.ModerationService",)
        )
        stack.push_async_callback(moderation.close)
        billing = runtime.peer("billing", settings.billing_target, idempotent=("queqiao.billing.v1.BillingService",))
        stack.push_async_callback(billing.close)
        client = _openai_client(settings)
        stack.push_async_callback(client.close)
        # What is left to settle when the last call has ended is settled before the channels close.
        background = Background()
        stack.push_async_callback(background.drain)

        upstream = OpenAIUpstream(client, runtime.telemetry.tracer("queqiao.chat"))
        catalogue = Catalogue(known, upstream)
        metrics = TurnMetrics(runtime.registry)
        turns = Turns(
            models=catalogue,
            memory=StoredMemory(pool, redis, ttl_s=settings.hot_conversation_ttl_s),
            moderation=ModerationClient(moderation),
            wallet=WalletClient(billing, turn_s_max=settings.turn_timeout_s),
            upstream=upstream,
            tokenizer=_tokenizer(known, settings),
            pace=Pace(),
            background=background,
            metrics=metrics,
        )
        server = runtime.grpc_server()
        chat_pb2_grpc.add_ChatServiceServicer_to_server(ChatServicer(turns, catalogue, metrics), server.grpc)
        await stack.enter_async_context(running(catalogue.keep_fresh()))
        await server.start(SERVICE)
        yield server


def _openai_client(settings: ChatSettings) -> openai.AsyncOpenAI:
    timeout = openai.Timeout(settings.upstream_silence_timeout_s, connect=settings.upstream_connect_timeout_s)
    return openai.AsyncOpenAI(
        base_url=settings.openai_base_url,
        api_key=settings.openai_api_key.get_secret_value(),
        http_client=openai.DefaultAioHttpClient(timeout=timeout),
        timeout=timeout,
        # Only before the first byte; after it an answer is never asked for twice. Two, because a provider may close
        # idle connections unannounced (llama.cpp does), and the next one from the pool may be stale as well.
        max_retries=2,
    )


def _tokenizer(known: KnownModels, settings: ChatSettings) -> TiktokenTokenizer:
    try:
        return TiktokenTokenizer(known.encodings)
    except ValueError as error:
        raise StartupError(f"{settings.models_file} is wrong: {error}.") from None
