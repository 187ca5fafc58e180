"""The rate limit over real Redis."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.gateway.admission import rate_limit
from tests.integration.gateway.conftest import Gateway, StartGateway, issue_key

pytestmark = pytest.mark.xdist_group("clock")

SCRIPT = Path(rate_limit.__file__).with_name("sliding_window.lua").read_text("utf-8")


async def status(gateway: Gateway, key: str) -> int:
    async with gateway.http.get(f"{gateway.url}/v1/wallet", headers={"Authorization": f"Bearer {key}"}) as answer:
        return answer.status


async def test_a_user_who_asks_too_often_is_told_when_to_come_back(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit_key_per_minute=3)
    assert [await status(gateway, gateway.key) for _ in range(4)] == [200, 200, 200, 429]
    async with gateway.http.get(f"{gateway.url}/v1/models", headers=gateway.auth) as answer:
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert (await answer.json())["error"]["code"] == "rate_limit_exceeded"
    _, other = await issue_key(gateway.settings.database_url.get_secret_value(), "other")
    assert await status(gateway, other) == 200


async def test_every_answer_tells_what_the_limit_leaves(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit_key_per_minute=5)
    left = []
    for _ in range(2):
        async with gateway.http.get(f"{gateway.url}/v1/models", headers=gateway.auth) as answer:
            assert answer.headers["X-RateLimit-Limit"] == "5"
            left.append(answer.headers["X-RateLimit-Remaining"])
    assert left == ["4", "3"]


async def test_trial_paid_and_key_users_have_limits_of_their_own(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        rate_limit_trial_per_minute=1, rate_limit_paid_per_minute=2, rate_limit_key_per_minute=3
    )
    _, trial = await gateway.login("limits-trial")
    payer_id, paid = await gateway.login("limits-paid")
    gateway.billing.topped_up.add(payer_id)
    for token, allowed in ((trial, 1), (paid, 2), (gateway.key, 3)):
        assert [await status(gateway, token) for _ in range(4)] == [200] * allowed + [429] * (4 - allowed)


async def test_logins_are_limited_by_address_and_orders_by_user(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(login_limit_per_minute=2, order_limit_per_minute=1)
    _, token = await gateway.login("limits-login")
    order = {"package_id": "small", "channel": "native"}
    assert [(await gateway.post("/v1/orders", order, token=token))[0] for _ in range(2)] == [201, 429]
    statuses = [(await gateway.post("/v1/auth/wechat", {"code": f"limits-{number}"}))[0] for number in range(3)]
    assert statuses == [200, 429, 429]


async def test_the_window_slides(redis_database_url: str) -> None:
    redis = Redis.from_url(redis_database_url)
    script = redis.register_script(SCRIPT)
    counter, window_ms = f"window-{time.time()}", 400
    count = functools.partial(script, keys=[counter], args=[4, 1, window_ms])
    assert [(await count())[0] for _ in range(5)] == [1, 1, 1, 1, 0]
    _, _, wait_ms = await count()
    await asyncio.sleep(wait_ms / 1000 + 0.005)
    assert (await count())[0] == 1
    await asyncio.sleep(2 * window_ms / 1000)
    assert await count() == [1, 3, 0]
    assert 0 < await redis.pttl(counter) <= 2 * window_ms
    await redis.aclose()


async def test_replicas_share_the_limit(start_gateway: StartGateway) -> None:
    first = await start_gateway(rate_limit_key_per_minute=3)
    second = await start_gateway(rate_limit_key_per_minute=3)
    assert [await status(each, first.key) for each in (first, second, first, second)] == [200, 200, 200, 429]


async def test_without_redis_everyone_comes_in_and_nobody_waits(
    start_gateway: StartGateway, redis_database_url: str
) -> None:
    async with _relay(redis_database_url) as (url, cut):
        gateway = await start_gateway(rate_limit_key_per_minute=1, redis_url=SecretStr(url))
        assert await status(gateway, gateway.key) == 200
        cut()
        begin = time.perf_counter()
        assert [await status(gateway, gateway.key) for _ in range(5)] == [200] * 5
        assert time.perf_counter() - begin < 1
        assert gateway.registry.get_sample_value("queqiao_http_rate_unchecked_total") == 5
        async with gateway.http.get(f"{gateway.url}/readyz") as answer:
            assert answer.status == 200
            report = await answer.json()
        assert (report["status"], report["checks"]["redis"]) == ("degraded", "down")


@asynccontextmanager
async def _relay(redis_url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Redis behind a relay that can be cut; answers its URL and the shears."""
    parts = urlsplit(redis_url)
    writers: list[asyncio.StreamWriter] = []
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(parts.hostname, parts.port)
        writers.extend((writer, onward_writer))
        pumps.update(
            (asyncio.create_task(pump(reader, onward_writer)), asyncio.create_task(pump(onward_reader, writer)))
        )

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def cut() -> None:
        server.close()
        for writer in writers:
            writer.close()

    yield urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}"))), cut
    cut()
    await asyncio.gather(*pumps, return_exceptions=True)
