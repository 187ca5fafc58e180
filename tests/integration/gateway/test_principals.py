"""Whose openid a turn carries, over real PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.integration.gateway.conftest import Gateway, StartGateway

QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "你好"}]}


async def ask(gateway: Gateway, token: str) -> tuple[int, dict[str, Any]]:
    return await gateway.post("/v1/chat/completions", QUESTION, token=token)


async def test_a_turn_carries_the_openid_of_a_user_of_wechat(gateway: Gateway) -> None:
    people = [await gateway.login(code) for code in ("code-of-an-principal", "code-of-another-principal")]
    for _, token in people:
        assert (await ask(gateway, token))[0] == 200
    first, second = gateway.chat.requests
    assert [first.user_id, second.user_id] == [user_id for user_id, _ in people]
    assert first.openid.startswith("o")
    assert second.openid.startswith("o")
    assert first.openid != second.openid


async def test_a_turn_of_a_developer_carries_none(gateway: Gateway) -> None:
    assert (await ask(gateway, gateway.key))[0] == 200
    assert gateway.chat.requests[0].openid == ""


async def test_without_accounts_whoever_was_here_goes_on_and_nobody_else_skips_wechats_layer(
    start_gateway: StartGateway, postgres_url: str
) -> None:
    gateway = await start_gateway()
    _, known = await gateway.login("code-of-a-regular")
    _, unknown = await gateway.login("code-of-a-newcomer")
    assert (await ask(gateway, known))[0] == 200
    async with _away(postgres_url, gateway.settings.database_url.get_secret_value()):
        assert (await ask(gateway, known))[0] == 200
        status, answer = await ask(gateway, unknown)
        assert (status, answer["error"]["code"]) == (503, "service_unavailable")
    before, meanwhile = gateway.chat.requests
    assert meanwhile.openid == before.openid != ""


@asynccontextmanager
async def _away(postgres_url: str, database_url: str) -> AsyncIterator[None]:
    """The database refuses everyone."""
    name = database_url.rsplit("/", 1)[1]
    server = await asyncpg.connect(postgres_url)
    try:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name)
        yield
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        await server.close()
