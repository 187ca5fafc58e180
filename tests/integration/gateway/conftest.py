"""A gateway in this process, over real PostgreSQL and Redis, real gRPC and HTTP, with the services behind it faked."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import asyncpg
import openai
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from queqiao.billing.v1 import billing_pb2_grpc, payments_pb2_grpc
from queqiao.chat.v1 import chat_pb2_grpc
from queqiao.moderation.v1 import moderation_pb2_grpc

from sandbox.wechat.app import build
from services.gateway.app import app
from services.gateway.config import GatewaySettings
from services.gateway.edge.server import HttpServer
from services.gateway.identity.accounts import Accounts
from services.gateway.identity.ids import digest, new_api_key, shown_prefix
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.process import Runtime, Server
from services.runtime.trace import Telemetry
from tests.fakes.billing import FakeBilling, FakePayments
from tests.fakes.chat import FakeChat
from tests.fakes.moderation import FakeModeration
from tests.integration.gateway.conformance import Document

APPID = "wx0123456789abcdef"
SECRET = "a-secret-of-the-mini-program"


@dataclass
class Gateway:
    """A running gateway and what stands behind it."""

    url: str
    server: Server
    chat: FakeChat
    billing: FakeBilling
    payments: FakePayments
    moderation: FakeModeration
    settings: GatewaySettings
    registry: CollectorRegistry
    http: aiohttp.ClientSession
    user_id: str
    key: str
    closing: AsyncExitStack
    document: Document

    @property
    def auth(self) -> dict[str, str]:
        """The header that the user's key goes into."""
        return {"Authorization": f"Bearer {self.key}"}

    def openai(self, key: str | None = None, *, language: str = "zh-CN") -> openai.AsyncOpenAI:
        """The official client, with retries off so that tests see the first answer."""
        client = openai.AsyncOpenAI(
            base_url=f"{self.url}/v1",
            api_key=key or self.key,
            max_retries=0,
            default_headers={"Accept-Language": language},
        )
        self.closing.push_async_callback(client.close)
        return client

    async def get(self, path: str, *, language: str = "zh-CN", token: str | None = None) -> tuple[int, dict[str, Any]]:
        """Ask for something; answers the status and the JSON."""
        headers = {"Authorization": f"Bearer {token or self.key}", "Accept-Language": language}
        async with self.http.get(f"{self.url}{path}", headers=headers) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            found = await answer.json()
            self.document.demand("GET", path, answer.status, found)
            return answer.status, found

    async def post(
        self, path: str, body: object, *, token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Send something, bytes as they are and all else as JSON; answers the status and the JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {"Authorization": f"Bearer {token or self.key}", "Content-Type": "application/json"}
        async with self.http.post(f"{self.url}{path}", data=data, headers=known | headers) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            found = await answer.json()
            self.document.demand("POST", path, answer.status, found)
            return answer.status, found

    async def login(self, code: str) -> tuple[str, str]:
        """Log a user of WeChat in; answers their id and their access token."""
        status, tokens = await self.post("/v1/auth/wechat", {"code": code})
        assert status == 200
        return tokens["user"]["id"], tokens["access_token"]


# Starts a gateway; keyword arguments are settings.
StartGateway = Callable[..., Awaitable[Gateway]]


@asynccontextmanager
async def _starter(database_url: str, redis_url: str, wechat_url: str) -> AsyncIterator[StartGateway]:
    untraced = Telemetry(None)
    async with AsyncExitStack() as stack:

        async def start(telemetry: Telemetry = untraced, **options: Any) -> Gateway:
            chat = FakeChat()
            # The gateway asks for a part of each alone; the generated bases refuse the rest.
            billing = FakeBilling()  # type: ignore[abstract]
            payments = FakePayments()  # type: ignore[abstract]
            moderation = FakeModeration()  # type: ignore[abstract]
            target = await stack.enter_async_context(_mesh(chat, billing, payments, moderation))
            given: dict[str, Any] = {
                "port": 0,
                "database_url": SecretStr(database_url),
                "redis_url": SecretStr(redis_url),
                "chat_target": target,
                "billing_target": target,
                "moderation_target": target,
                "wechat_api_base_url": wechat_url,
                "wechat_appid": APPID,
                "wechat_secret": SecretStr(SECRET),
                "session_secret": SecretStr("a secret of at least thirty-two characters"),
                "drain_s": 5,
            }
            settings = GatewaySettings(**(given | options))
            registry = CollectorRegistry()
            server = await stack.enter_async_context(app(settings, Runtime("gateway", settings, registry, telemetry)))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            user_id, key = await issue_key(database_url, "developer")
            url = f"http://127.0.0.1:{server.port}"
            async with http.get(f"{url}/openapi.json") as answer:
                document = Document(await answer.json())
            return Gateway(
                url,
                server,
                chat,
                billing,
                payments,
                moderation,
                settings,
                registry,
                http,
                user_id,
                key,
                stack,
                document,
            )

        yield start


@pytest.fixture(scope="session")
async def wechat_url() -> AsyncIterator[str]:
    """The stand-in of WeChat's platform."""
    server = HttpServer(build(APPID, SECRET), host="127.0.0.1", port=0, drain_s=0, notice_s=0, on_drain=lambda: None)
    await server.start()
    yield f"http://127.0.0.1:{server.port}"
    await server.close()


@pytest.fixture
async def start_gateway(database_url: str, redis_database_url: str, wechat_url: str) -> AsyncIterator[StartGateway]:
    """Starts gateways over an empty database; they are stopped with the test."""
    async with _starter(database_url, redis_database_url, wechat_url) as start:
        yield start


@pytest.fixture(scope="session")
async def shared_gateway(postgres_url: str, redis_url: str, wechat_url: str) -> AsyncIterator[Gateway]:
    """A gateway with default settings; use `gateway`."""
    # Folders that borrow this fixture have one of their own in the same server.
    name = f"gateway_{secrets.token_hex(4)}"
    database = await asyncpg.connect(postgres_url)
    await database.execute(f"CREATE DATABASE {name}")
    await database.close()
    async with _starter(f"{postgres_url.rsplit('/', 1)[0]}/{name}", redis_url, wechat_url) as start:
        yield await start()


@pytest.fixture
async def gateway(shared_gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway with default settings, a user of the test's own and services that nobody has asked yet."""
    gateway = shared_gateway
    gateway.chat.reset()
    gateway.billing.reset()
    gateway.payments.reset()
    gateway.moderation.reset()
    name = f"developer-{secrets.token_hex(4)}"
    user_id, key = await issue_key(gateway.settings.database_url.get_secret_value(), name)
    async with AsyncExitStack() as closing:
        yield replace(gateway, user_id=user_id, key=key, closing=closing)


async def issue_key(database_url: str, name: str) -> tuple[str, str]:
    """A developer's id and a key of theirs."""
    async with asyncpg.create_pool(
        database_url, min_size=1, max_size=1, server_settings={"search_path": "gateway"}
    ) as pool:
        accounts = Accounts(pool)
        user_id = await accounts.user_named(name)
        key = new_api_key()
        await accounts.add_key(user_id, label="test", sha256=digest(key), prefix=shown_prefix(key))
        return user_id, key


@asynccontextmanager
async def _mesh(
    chat: FakeChat, billing: FakeBilling, payments: FakePayments, moderation: FakeModeration
) -> AsyncIterator[str]:
    """All services on one port."""
    server = GrpcServer(
        host="127.0.0.1", port=0, drain_s=0, metrics=RpcMetrics(CollectorRegistry()), telemetry=Telemetry(None)
    )
    chat_pb2_grpc.add_ChatServiceServicer_to_server(chat, server.grpc)
    billing_pb2_grpc.add_BillingServiceServicer_to_server(billing, server.grpc)
    payments_pb2_grpc.add_PaymentServiceServicer_to_server(payments, server.grpc)
    moderation_pb2_grpc.add_ModerationServiceServicer_to_server(moderation, server.grpc)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.drain()
