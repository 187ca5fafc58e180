"""Several simulated providers as one: failover, pauses, circuits, hedging, budgets, and keys that nobody sees."""

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from opentelemetry import trace
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from redis.asyncio import Redis

from bench.simulator_process import SimulatorProcess
from sandbox.ports import free_ports
from services.chat.domain import Chunk, Message, Model, Options, Piece, Role
from services.chat.errors import UpstreamBusyError, UpstreamError
from services.chat.tokens import TiktokenTokenizer
from services.chat.upstreams import known
from services.chat.upstreams.app import open_upstreams, single_provider, upstream_settings
from services.chat.upstreams.catalogue import Catalogue
from services.chat.upstreams.known import KnownModels
from services.chat.upstreams.pool import Pool
from services.chat.upstreams.settings import BreakerSettings, HedgingSettings, ProviderSettings, UpstreamSettings
from services.chat.upstreams.settings import Role as ProviderRole
from services.runtime.errors import InvalidRequestError, ServiceError
from services.runtime.redis import redis_client

MODEL = Model("m", 8192, 1024, "o200k_base")
KEY = "sk-secret-of-a-provider-that-nobody-sees"


@dataclass
class Simulators:
    """Two providers, `a` and `b`."""

    a: SimulatorProcess
    b: SimulatorProcess

    async def asked(self) -> tuple[int, int]:
        """How often each was asked so far."""
        started = [(await each.stats())["started"] for each in (self.a, self.b)]
        assert isinstance(started[0], int)
        assert isinstance(started[1], int)
        return started[0], started[1]


@pytest.fixture(scope="module")
async def simulators() -> AsyncIterator[Simulators]:
    quick = ("--first-token-ms", "0", "--interval-ms", "0", "--deltas", "2")
    async with (
        SimulatorProcess("--name", "a", "--models", "m,only-a", *quick) as a,
        SimulatorProcess("--name", "b", "--models", "m,only-b", *quick) as b,
    ):
        yield Simulators(a, b)


@pytest.fixture
async def redis(redis_database_url: str) -> AsyncIterator[Redis]:
    async with redis_client(redis_database_url) as redis:
        yield redis


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def provider(name: str, url: str, *, keys: int = 1) -> ProviderSettings:
    return ProviderSettings(
        name,
        url,
        tuple(SecretStr(f"{KEY}-{name}{position}") for position in range(1, keys + 1)),
        models={"m": "m"},
        connect_timeout_s=0.5,
        first_token_timeout_s=0.4,
        silence_timeout_s=0.8,
    )


@dataclass
class Opening:
    """Opens pools that close with the test."""

    stack: AsyncExitStack
    redis: Redis
    simulators: Simulators

    async def __call__(
        self,
        *providers: ProviderSettings,
        hedging: HedgingSettings | None = None,
        breaker: BreakerSettings | None = None,
    ) -> Pool:
        # Of equal weights, either would be asked first.
        two = (
            replace(provider("a", self.simulators.a.url), weight=1000),
            provider("b", self.simulators.b.url),
        )
        settings = UpstreamSettings(
            providers or two, hedging or HedgingSettings(), breaker or BreakerSettings(failures=5, open_s=0.3)
        )
        upstreams = open_upstreams(settings, self.redis, CollectorRegistry(), trace.NoOpTracer())
        return await self.stack.enter_async_context(upstreams)


@pytest.fixture
def pool(stack: AsyncExitStack, redis: Redis, simulators: Simulators) -> Opening:
    return Opening(stack, redis, simulators)


async def chunks_of(pool: Pool, question: str) -> list[Chunk]:
    async with pool.answer(MODEL, [Message(Role.USER, question, tokens=10)], Options()) as chunks:
        return [chunk async for chunk in chunks]


async def ask(pool: Pool, directive: str = "") -> str:
    """What is said; `text=甲` by a and `text=乙` by b, unless `directive` says otherwise for one of them."""
    chunks = await chunks_of(pool, f"{directive} [[sim only=a text=甲]] [[sim only=b text=乙]]")
    return "".join(piece.text for chunk in chunks for piece in chunk.pieces)


@pytest.mark.parametrize(
    "failing",
    [
        "status=500",
        "status=429",
        "status=401",
        "status=404",
        "first_ms=3000",
        "cut_after=0",
        "stall_after=0",
        'text="" bad_json',
        'text="" no_usage no_finish no_done',
    ],
)
async def test_a_provider_that_fails_before_the_first_piece_is_not_noticed(
    pool: Opening, simulators: Simulators, failing: str
) -> None:
    asked = await simulators.asked()
    assert await ask(await pool(), f"[[sim only=a {failing}]]") == "乙"
    now = await simulators.asked()
    assert (now[0] - asked[0], now[1] - asked[1]) == (1, 1)


async def test_a_provider_that_is_not_there_is_not_noticed(pool: Opening, simulators: Simulators) -> None:
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}/v1"
    upstreams = await pool(replace(provider("a", nowhere), weight=1000), provider("b", simulators.b.url))
    assert [await ask(upstreams) for _ in range(3)] == ["乙"] * 3


@pytest.mark.parametrize("breaking", ["cut_after=1", "stall_after=1", "bad_json", "cut_after=1 torn"])
async def test_after_the_first_piece_nobody_else_is_asked(pool: Opening, simulators: Simulators, breaking: str) -> None:
    upstreams = await pool()
    asked = await simulators.asked()
    text = ""
    question = Message(Role.USER, f"[[sim only=a text=甲|二 interval_ms=20 {breaking}]]")
    with pytest.raises(ServiceError):
        async with upstreams.answer(MODEL, [question], Options()) as chunks:
            async for chunk in chunks:
                text += "".join(piece.text for piece in chunk.pieces)
    assert text.startswith("甲")
    now = await simulators.asked()
    assert (now[0] - asked[0], now[1] - asked[1]) == (1, 0)


async def test_what_the_question_is_to_blame_for_is_asked_nobody_else(pool: Opening, simulators: Simulators) -> None:
    asked = await simulators.asked()
    with pytest.raises(InvalidRequestError):
        await ask(await pool(), "[[sim only=a status=400]]")
    assert await simulators.asked() == (asked[0] + 1, asked[1])


async def test_another_key_is_asked_when_one_has_too_much_to_do_and_it_rests_as_told(
    pool: Opening, simulators: Simulators
) -> None:
    upstreams = await pool(provider("a", simulators.a.url, keys=2))
    busy = "[[sim only=a1 status=429 retry_after=1]]"
    before = await refused_by(simulators.a)
    for _ in range(4):
        assert await ask(upstreams, busy) == "甲"
    assert await refused_by(simulators.a) - before == 1
    await asyncio.sleep(1.05)
    for _ in range(2):
        assert await ask(upstreams, busy) == "甲"
    assert await refused_by(simulators.a) - before == 2


async def refused_by(simulator: SimulatorProcess) -> int:
    return len([request for request in await requests(simulator) if request["status"] == 429])


async def requests(simulator: SimulatorProcess) -> list[dict[str, object]]:
    seen = (await simulator.stats())["requests"]
    assert isinstance(seen, list)
    return seen


async def test_when_all_are_busy_the_shortest_wait_is_told(pool: Opening, simulators: Simulators) -> None:
    upstreams = await pool()
    with pytest.raises(UpstreamBusyError) as caught:
        await ask(upstreams, "[[sim only=a status=429 retry_after=30]] [[sim only=b status=429 retry_after=9]]")
    assert caught.value.retry_after_s == 9
    asked = await simulators.asked()
    with pytest.raises(UpstreamBusyError):
        await ask(upstreams)
    assert await simulators.asked() == asked


async def test_a_provider_that_is_down_is_left_alone_and_tried_by_a_single_question(
    pool: Opening, simulators: Simulators
) -> None:
    upstreams = await pool(breaker=BreakerSettings(failures=2, open_s=0.3))
    down = "[[sim only=a status=500]]"
    before = await simulators.asked()
    assert [await ask(upstreams, down) for _ in range(6)] == ["乙"] * 6
    assert (await simulators.asked())[0] - before[0] == 2
    await asyncio.sleep(0.35)
    slow = "[[sim only=a text=甲 first_ms=150]]"
    answers = await asyncio.gather(*(ask(upstreams, slow) for _ in range(5)))
    assert sorted(answers) == sorted(["甲", "乙", "乙", "乙", "乙"])
    assert await ask(upstreams) == "甲"


async def test_a_fallback_answers_only_when_nobody_else_does(pool: Opening, simulators: Simulators) -> None:
    upstreams = await pool(
        provider("a", simulators.a.url), replace(provider("b", simulators.b.url), role=ProviderRole.FALLBACK)
    )
    assert [await ask(upstreams) for _ in range(3)] == ["甲"] * 3
    assert await ask(upstreams, "[[sim only=a status=503]]") == "乙"


async def hedged(pool: Opening, simulators: Simulators) -> Pool:
    """A pool that knows after ten answers what is late, of providers that are not given up before."""
    patient = (
        replace(provider("a", simulators.a.url), weight=1000, first_token_timeout_s=10),
        replace(provider("b", simulators.b.url), first_token_timeout_s=10),
    )
    return await pool(*patient, hedging=HedgingSettings(enabled=True, min_samples=10, share_percent_max=100))


async def test_a_late_first_token_is_hedged_and_the_loser_sees_its_cancel(
    pool: Opening, simulators: Simulators
) -> None:
    upstreams = await hedged(pool, simulators)
    for _ in range(10):
        assert (await chunks_of(upstreams, "[[sim only=a text=甲]]"))[0].lost_calls == 0
    before = (await simulators.a.stats())["cancelled"]
    chunks = await chunks_of(upstreams, "[[sim only=a first_ms=3000 text=甲]] [[sim only=b text=乙]]")
    assert (chunks[0].pieces, chunks[0].lost_calls) == ((Piece("乙"),), 1)
    async with asyncio.timeout(5):
        while (await simulators.a.stats())["cancelled"] == before:
            await asyncio.sleep(0.01)


async def test_cancelling_a_hedged_question_cancels_both(pool: Opening, simulators: Simulators) -> None:
    upstreams = await hedged(pool, simulators)
    for _ in range(10):
        await chunks_of(upstreams, "[[sim only=a text=甲]]")
    asked = await simulators.asked()
    asking = asyncio.create_task(chunks_of(upstreams, "[[sim first_ms=9000]]"))
    async with asyncio.timeout(5):
        while (await simulators.asked())[1] == asked[1]:
            await asyncio.sleep(0.005)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(5):
        while (await simulators.a.stats())["live"] or (await simulators.b.stats())["live"]:
            await asyncio.sleep(0.01)
    assert (await requests(simulators.a))[-1]["cancelled"]
    assert (await requests(simulators.b))[-1]["cancelled"]


async def test_budgets_are_shared_by_replicas(pool: Opening, simulators: Simulators) -> None:
    limited = (
        replace(provider("a", simulators.a.url), weight=1000, requests_per_minute=3),
        replace(provider("b", simulators.b.url), tokens_per_minute=3 * (10 + 4 + 3 + 1024)),
    )
    replicas = [await pool(*limited), await pool(*limited)]
    answers = [await ask(replicas[number % 2]) for number in range(6)]
    assert answers == ["甲"] * 3 + ["乙"] * 3
    with pytest.raises(UpstreamBusyError) as caught:
        await ask(replicas[0])
    assert 1 <= (caught.value.retry_after_s or 0) <= 60


async def test_without_redis_everybody_may_be_asked(stack: AsyncExitStack, simulators: Simulators) -> None:
    away = Redis.from_url(f"redis://127.0.0.1:{free_ports(1)[0]}", socket_connect_timeout=0.2)
    stack.push_async_callback(away.aclose)
    upstreams = await Opening(stack, away, simulators)(replace(provider("a", simulators.a.url), requests_per_minute=1))
    assert [await ask(upstreams) for _ in range(3)] == ["甲"] * 3


async def test_no_key_is_in_any_log_or_error(pool: Opening, simulators: Simulators) -> None:
    shown: list[str] = []
    with structlog.testing.capture_logs() as logs:
        for status in (401, 403, 429, 500):
            upstreams = await pool(provider("a", simulators.a.url, keys=3))
            shown += (repr(upstreams), str(vars(upstreams)))
            with pytest.raises(ServiceError) as caught:
                await ask(upstreams, f"[[sim status={status}]]")
            shown += traceback.format_exception(caught.value)
            shown.append(str((vars(caught.value), caught.value.__cause__)))
    refusals = Counter(entry["key"] for entry in logs if entry["event"] == "a provider refuses our key")
    assert refusals == {"1 of 3": 2, "2 of 3": 2, "3 of 3": 2}
    assert KEY not in "".join([*shown, str(logs)])


async def test_the_catalogue_unites_what_all_list_and_one_that_is_away_hides_nothing_else(
    pool: Opening, simulators: Simulators
) -> None:
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}/v1"
    upstreams = await pool(
        replace(provider("gone", nowhere), models=None),
        replace(provider("a", simulators.a.url), models=None),
        replace(provider("b", simulators.b.url), models=None, role=ProviderRole.FALLBACK),
        replace(provider("named", simulators.b.url), models={"ours": "theirs"}),
    )
    models = KnownModels.read(Path(known.__file__).with_name("models.toml"))
    catalogue = Catalogue(models, upstreams, TiktokenTokenizer(models.encodings).prepare)
    assert [model.id for model in await catalogue.list()] == ["m", "only-a", "ours", "only-b"]
    asked = await simulators.asked()
    async with upstreams.answer(await catalogue.find("only-b"), [Message(Role.USER, "hi")], Options()) as chunks:
        assert [chunk async for chunk in chunks]
    assert await simulators.asked() == (asked[0], asked[1] + 1)


async def test_an_idle_connection_that_was_closed_unannounced_costs_nobody_an_answer(pool: Opening) -> None:
    """llama.cpp closes what has been idle for five seconds, and says so only to the next request."""
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        body = b'data: {"choices":[{"delta":{"content":"\xe5\xa5\xbd"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        answered += 1
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstreams = await pool(provider("a", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"))
    assert [await ask(upstreams) for _ in range(3)] == ["好"] * 3
    assert answered == 3
    server.close()


async def test_without_a_file_there_is_the_one_provider(pool: Opening, simulators: Simulators) -> None:
    one = single_provider(simulators.a.url, SecretStr(KEY), kind="", connect_timeout_s=1, silence_timeout_s=1)
    upstreams = await pool(*upstream_settings(None, {}, one).providers)
    assert await ask(upstreams) == "甲"
    with pytest.raises(UpstreamError):
        await ask(upstreams, "[[sim status=500]]")
