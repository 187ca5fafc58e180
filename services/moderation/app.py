"""The moderation service's composition root: the only place that builds its adapters."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from queqiao.moderation.v1 import audit_pb2_grpc, lexicon_pb2_grpc, moderation_pb2_grpc, screener_pb2_grpc

from services.moderation.audit.appeals import Appeals
from services.moderation.audit.retention import Retention
from services.moderation.audit.servicer import AuditServicer
from services.moderation.audit.store import RefusalStore
from services.moderation.audit.texts import KeptTexts
from services.moderation.audit.writer import AuditMetrics, AuditWriter
from services.moderation.checks import Checks
from services.moderation.config import ModerationSettings
from services.moderation.layers.app import panel
from services.moderation.layers.policy_file import read_policy
from services.moderation.learned.features import Featurizer
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.library import WeightsLibrary
from services.moderation.learned.metrics import WeightsMetrics
from services.moderation.learned.servicer import ScreenerServicer
from services.moderation.learned.store import WeightsStore
from services.moderation.lists.editing import ListEditor
from services.moderation.lists.library import Library
from services.moderation.lists.metrics import LibraryMetrics
from services.moderation.lists.notices import PostgresNotices
from services.moderation.lists.servicer import LexiconServicer
from services.moderation.lists.sources import Files, Stored
from services.moderation.lists.store import ListStore
from services.moderation.metrics import ModerationMetrics
from services.moderation.servicer import ModerationServicer
from services.runtime.postgres import postgres_pool
from services.runtime.process import Runtime, Server, running
from services.runtime.redis import redis_client
from services.runtime.trace import ItemSpans

SERVICE = "queqiao.moderation.v1.ModerationService"
LEXICON = "queqiao.moderation.v1.LexiconService"
AUDIT = "queqiao.moderation.v1.AuditService"
SCREENER = "queqiao.moderation.v1.ScreenerService"

# Judging needs none: they are for the audit, lists and their administration.
_CONNECTIONS_MAX = 6


@asynccontextmanager
async def app(settings: ModerationSettings, runtime: Runtime) -> AsyncIterator[Server]:
    """Compile the lexicon, connect, serve, and close in reverse order: the audit is written before the pool closes."""
    policy = read_policy(settings.policy_file)
    texts = KeptTexts(settings.audit_secret.get_secret_value(), keep=settings.audit_keep_texts)
    database_url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            postgres_pool(
                database_url,
                schema="moderation",
                migrations=Path(__file__).with_name("migrations"),
                connections_max=_CONNECTIONS_MAX,
                on_connect=runtime.stores.record,
                pooled=settings.database_pooled,
            )
        )
        redis = await stack.enter_async_context(redis_client(settings.redis_url.get_secret_value()))
        runtime.stores.postgres(pool, "moderation")
        runtime.stores.redis(redis, "moderation")

        lists = ListStore(pool)
        library = Library(
            Files(settings.lexicon_path),
            Stored(lists),
            PostgresNotices(database_url),
            LibraryMetrics(runtime.registry),
        )
        await library.load()
        await stack.enter_async_context(running(library.keep_fresh()))

        weights = WeightsStore(pool)
        screeners = WeightsLibrary(
            settings.screener_weights, weights, Featurizer.shipped(), WeightsMetrics(runtime.registry)
        )
        await screeners.load()
        await stack.enter_async_context(running(screeners.keep_fresh()))
        learned = LearnedLayer(screeners, policy.learned)

        refusals = RefusalStore(pool, texts)
        audit = AuditWriter(refusals, AuditMetrics(runtime.registry), keep_texts=texts.keep)
        await stack.enter_async_context(running(audit.keep_writing()))
        await stack.enter_async_context(running(Retention(refusals, keep_days=settings.audit_keep_days).keep_tidy()))

        remote = panel(stack, settings, policy, redis, runtime.registry)
        editor = ListEditor(lists, library, refusals)
        server = runtime.grpc_server()
        moderation_pb2_grpc.add_ModerationServiceServicer_to_server(
            ModerationServicer(
                Checks(library, learned, remote, audit, ModerationMetrics(runtime.registry)),
                server.endless,
                ItemSpans(runtime.telemetry, SERVICE),
            ),
            server.grpc,
        )
        lexicon_pb2_grpc.add_LexiconServiceServicer_to_server(
            LexiconServicer(library, lists, editor, learned), server.grpc
        )
        audit_pb2_grpc.add_AuditServiceServicer_to_server(
            AuditServicer(refusals, Appeals(refusals, editor)), server.grpc
        )
        screener_pb2_grpc.add_ScreenerServiceServicer_to_server(
            ScreenerServicer(
                screeners,
                weights,
                learned,
                library,
                remote,
                refusals,
                allow_training=settings.screener_learns_from_audit,
            ),
            server.grpc,
        )
        await server.start(SERVICE, LEXICON, AUDIT, SCREENER)
        yield server
