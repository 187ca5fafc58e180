"""The moderation service's composition root."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from queqiao.moderation.v1 import moderation_pb2_grpc

from services.moderation.config import ModerationSettings
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lists.words import read_words
from services.moderation.servicer import ModerationMetrics, ModerationServicer
from services.runtime.process import Runtime, Server

SERVICE = "queqiao.moderation.v1.ModerationService"


@asynccontextmanager
async def app(settings: ModerationSettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Compile the lexicon and serve."""
    lexicon = Lexicon(read_words(settings.lexicon_path))
    structlog.get_logger().info("lexicon compiled", words=len(lexicon))
    server = runtime.grpc_server()
    moderation_pb2_grpc.add_ModerationServiceServicer_to_server(
        ModerationServicer(lexicon, ModerationMetrics(runtime.registry), server.endless), server.grpc
    )
    await server.start(SERVICE)
    yield server
