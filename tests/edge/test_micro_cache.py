"""What the edge answers by itself: what the gateway says is the same for everybody, and nothing of anybody."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from services.gateway.edge.caching import SHARED
from tests.edge.conftest import Edge, nginx_before
from tests.integration.gateway.conftest import Gateway


@dataclass(frozen=True)
class Answer:
    """What somebody was answered, and whether the edge had it."""

    status: int
    cache: str | None
    text: str
    headers: Mapping[str, str]


async def ask(http: aiohttp.ClientSession, edge: Edge, path: str, **headers: str) -> Answer:
    async with http.get(f"{edge.url}{path}", headers=headers, ssl=edge.trust) as answer:
        return Answer(answer.status, answer.headers.get("X-Edge-Cache"), await answer.text(), answer.headers)


def answered(gateway: Gateway, route: str) -> float:
    """How many requests of this path reached the gateway."""
    return gateway.registry.get_sample_value("queqiao_http_requests_total", {"route": route, "status": "200"}) or 0


@pytest.mark.parametrize(
    ("path", "route"),
    [("/openapi.json", "/openapi.json"), ("/docs", "/docs"), ("/docs/swagger-ui.css", "/docs/{name}")],
)
async def test_what_is_the_same_for_everybody_reaches_the_gateway_once(
    gateway: Gateway, edge: Edge, path: str, route: str
) -> None:
    before = answered(gateway, route)
    first = await ask(gateway.http, edge, path)
    others = [
        await ask(gateway.http, edge, path, **{"Accept-Language": "en", "User-Agent": "other"}),
        await ask(gateway.http, edge, f"{path}?another=1", **{"X-Client": "mp-ios"}),
    ]
    assert (first.status, first.cache) == (200, "MISS")
    assert [(each.cache, each.text == first.text) for each in others] == [("HIT", True)] * 2
    assert answered(gateway, route) == before + 1


async def test_who_asked_first_is_not_told_to_others(gateway: Gateway, edge: Edge) -> None:
    for expected in ("MISS", "HIT"):
        found = await ask(gateway.http, edge, "/openapi.json")
        assert (found.cache, "X-Request-Id" in found.headers) == (expected, False)


@pytest.mark.parametrize("credentials", [{"Authorization": "Bearer x"}, {"Cookie": "a=b"}, {"X-WX-OPENID": "o"}])
async def test_a_request_with_credentials_neither_takes_nor_leaves_anything(
    gateway: Gateway, edge: Edge, credentials: dict[str, str]
) -> None:
    assert (await ask(gateway.http, edge, "/openapi.json", **credentials)).cache == "BYPASS"
    assert (await ask(gateway.http, edge, "/openapi.json")).cache == "MISS"
    assert (await ask(gateway.http, edge, "/openapi.json", **credentials)).cache == "BYPASS"


async def test_two_users_are_each_answered_their_own_and_by_the_gateway(gateway: Gateway, edge: Edge) -> None:
    users = [await gateway.login(f"micro-cache-{name}") for name in ("one", "two")]
    for path in ("/v1/me", "/v1/models", "/v1/prices"):
        before = answered(gateway, path)
        for user_id, token in [*users, *users]:
            found = await ask(gateway.http, edge, path, Authorization=f"Bearer {token}")
            assert (found.status, found.cache) == (200, None)
            assert path != "/v1/me" or user_id in found.text
        assert answered(gateway, path) == before + 4
        assert (await ask(gateway.http, edge, path)).status == 401


@dataclass
class Origin:
    """A gateway that says `caching` of all that it answers: the number of the request."""

    caching: str = SHARED
    status: int = 200
    vary: str = ""
    requests: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request.headers.get("Accept-Language", ""))
        await asyncio.sleep(0.05)
        headers = {"Cache-Control": self.caching} if self.caching else {}
        if self.vary:
            headers["Vary"] = self.vary
        return web.Response(text=str(len(self.requests)), status=self.status, headers=headers)


@pytest.fixture
def origin() -> Origin:
    """What stands behind nginx."""
    return Origin()


@pytest.fixture
async def edge_of_origin(origin: Origin, tmp_path: Path) -> AsyncIterator[Edge]:
    """nginx in front of it."""
    async with _serving(origin) as port, nginx_before(port, tmp_path) as edge:
        yield edge


@asynccontextmanager
async def _serving(origin: Origin) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client."""
    async with aiohttp.ClientSession() as http:
        yield http


async def test_a_crowd_that_asks_for_the_same_costs_one_request(
    http: aiohttp.ClientSession, origin: Origin, edge_of_origin: Edge
) -> None:
    found = await asyncio.gather(*(ask(http, edge_of_origin, "/docs") for _ in range(20)))
    assert {each.text for each in found} == {"1"}
    assert len(origin.requests) == 1


@pytest.mark.parametrize("caching", ["", "no-store", "private, max-age=60", "no-cache"])
async def test_only_what_is_marked_is_kept(
    http: aiohttp.ClientSession, origin: Origin, edge_of_origin: Edge, caching: str
) -> None:
    origin.caching = caching
    assert [(await ask(http, edge_of_origin, "/docs")).text for _ in range(2)] == ["1", "2"]


async def test_what_needs_a_login_is_not_kept_even_when_it_is_marked_by_mistake(
    http: aiohttp.ClientSession, edge_of_origin: Edge
) -> None:
    for path in ("/v1/models", "/v1/wallet", "/v1/chat/completions", "/v1/auth/wechat"):
        found = [(await ask(http, edge_of_origin, path, Authorization=f"Bearer {user}")).text for user in "aab"]
        assert len(set(found)) == 3


async def test_what_differs_by_language_is_kept_for_each(
    http: aiohttp.ClientSession, origin: Origin, edge_of_origin: Edge
) -> None:
    origin.vary = "Accept-Language"
    found = [
        (await ask(http, edge_of_origin, "/docs", **{"Accept-Language": language})).text
        for language in ("zh-CN", "en", "zh-CN", "en")
    ]
    assert found == ["1", "2", "1", "2"]


async def test_what_was_shared_outlives_a_gateway_that_fails(
    http: aiohttp.ClientSession, origin: Origin, edge_of_origin: Edge
) -> None:
    origin.caching = SHARED.replace("s-maxage=300", "s-maxage=1")
    assert (await ask(http, edge_of_origin, "/docs")).cache == "MISS"
    origin.status = 503
    # nginx counts in whole seconds: after more than one of them.
    await asyncio.sleep(2.1)
    found = await ask(http, edge_of_origin, "/docs")
    assert (found.status, found.cache, found.text) == (200, "STALE", "1")
    assert len(origin.requests) == 2
