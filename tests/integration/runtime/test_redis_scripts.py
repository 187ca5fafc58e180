"""Everything that services ask of Redis, asked of a cluster: it refuses whatever touches keys of two slots."""

import ast
import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import redis.asyncio
import structlog.testing
from prometheus_client import CollectorRegistry

import services
from services.chat.answers.domain import KeptAnswer
from services.chat.answers.store import TieredAnswerStore
from services.chat.conversations.hot import HotWindows, Window
from services.chat.domain import Completed, Failed, FinishReason, Message, Piece, Role, Started, Usage
from services.chat.streams.domain import Claim, Entry, TurnKey
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.recovery import Recovery
from services.chat.upstreams import budget
from services.chat.upstreams.budget import RedisBudgets
from services.gateway.admission import rate_limit
from services.gateway.admission.metrics import AdmissionMetrics
from services.gateway.admission.rate_limit import RateLimit
from services.gateway.errors import RateLimitedError
from services.moderation.domain import Layer, Opinion
from services.moderation.errors import LayerDownError
from services.moderation.layers import cache, quota, tokens
from services.moderation.layers.cache import VerdictCache
from services.moderation.layers.quota import Quota
from services.moderation.layers.tokens import AccessTokens
from services.moderation.layers.wechat_client import WeChatAccount
from services.runtime import redis_pool
from services.runtime.process import running
from services.runtime.redis import redis_client
from tests.redis_servers import Servers

_SOURCES = Path(services.__file__).parent
# Enough names that they are on all three nodes.
NAMES = [f"n{number}" for number in range(24)]
LOST = Failed(13, "TURN_LOST", "lost")


@pytest.fixture
async def client(redis_cluster: Servers) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis_client(redis_cluster.url) as client:
        yield client


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is about slots: a machine that is busy is no reason to do without Redis."""
    for module in (budget, rate_limit, cache, quota, tokens):
        monkeypatch.setattr(module, "_PATIENCE_S", 10.0)
    monkeypatch.setattr(redis_pool, "_ANSWER_S", 10.0)


@pytest.fixture(autouse=True)
def unworried() -> Iterator[None]:
    """Most of what fails in Redis is only logged: here nothing may fail."""
    with structlog.testing.capture_logs() as logs:
        yield
    assert [line for line in logs if "error" in line] == []


def scripts() -> Mapping[str, str]:
    """Every script of the services, by where it is."""
    found = {file.name: file.read_text(encoding="utf-8") for file in _SOURCES.rglob("*.lua")}
    for file in _SOURCES.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if "redis.call(" in source:
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and "redis.call(" in node.value:
                    found[f"{file.name}:{node.lineno}"] = node.value
    return found


class Platform:
    """Hands out one token again and again, or another when it must."""

    def __init__(self) -> None:
        self.forced = 0

    async def stable_token(self, *, force: bool) -> Mapping[str, object]:
        self.forced += force
        return {"access_token": f"token-{self.forced}", "expires_in": 7200}


async def turns(client: redis.asyncio.Redis) -> None:
    """Claimed once, written, followed and stopped from elsewhere, and ended by others when their writer dies."""
    here, there = RedisTurnLog(client, replica="a", ttl_s=60), RedisTurnLog(client, replica="b", ttl_s=60)
    stopped: list[TurnKey] = []

    def recovery(log: RedisTurnLog, replica: str) -> Recovery:
        def stop(key: TurnKey) -> bool:
            stopped.append(key)
            return True

        async def close(user_id: str, started: Started, text: str) -> None:
            raise AssertionError("nobody is dead")

        return Recovery(client, log, close, replica=replica, stop=stop, dead_after_s=60)

    keys = [TurnKey(f"usr_{name}", name) for name in NAMES]
    for key in keys:
        assert await here.claim(key, "f") == Claim(mine=True)
        assert not (await there.claim(key, "f")).mine
        assert await there.ask_to_stop(key)
    living = recovery(here, "a")
    await living.beat()
    await living.beat()
    assert sorted(stopped) == sorted(keys)
    for key in keys[1:]:
        here.append(key, Entry(0, Started("", "m", ledger_id="r")))
        here.append(key, Entry(0, Completed(FinishReason.STOP, Usage(1, 1), 2)))
    await here.flush()
    for key in keys[1:]:
        assert [type(entry.event) async for batch in there.follow(key) for entry in batch] == [Started, Completed]
        assert await here.is_followed(key)
    assert not here.is_written
    assert [type(entry.event) for entry in await there.end(keys[0], LOST)] == [Failed]
    assert [*await there.turns_of(keys[1].user_id)] == [keys[1]]
    for key in keys:
        await there.forget(key)
        assert [*await there.turns_of(key.user_id)] == []
    here.disown(keys[0])
    # Nobody's any more, and taken from the list as such.
    await living.leave()
    assert not [name async for name in client.scan_iter(match="{chat:*}:turns:a")]


async def conversations(client: redis.asyncio.Redis) -> None:
    hot = HotWindows(client, ttl_s=60, tokens_max=20)
    for name in NAMES:
        await hot.put(name, "c", 1, Window(1, (Message(Role.USER, "问", 1, "e"),)))
    assert await hot.get(NAMES[-1], "c")
    # The least used went first.
    assert await hot.get(NAMES[0], "c") is None
    await hot.bury(NAMES[-1], "c", "d")
    await hot.drop(NAMES[-2], "c")
    assert [await hot.get(name, "c") for name in NAMES[-2:]] == [None, None]


async def answers(client: redis.asyncio.Redis) -> None:
    here, there = (TieredAnswerStore(client, ttl_s=60, local_bytes_max=0) for _ in range(2))
    answer = KeptAnswer([Piece("七月初七")], Usage(8, 4), 12)
    for name in NAMES:
        await here.keep(name, answer)
    assert [await there.shared(name) for name in NAMES] == [answer] * len(NAMES)


async def limits(client: redis.asyncio.Redis) -> None:
    here, there = (RateLimit(client, AdmissionMetrics(CollectorRegistry())) for _ in range(2))
    for name in NAMES:
        left = [await each.count("user", name, per_minute=2) for each in (here, there)]
        assert [each and each.remaining for each in left] == [1, 0]
        with pytest.raises(RateLimitedError):
            await here.count("user", name, per_minute=2)


async def budgets(client: redis.asyncio.Redis) -> None:
    here, there = RedisBudgets(client), RedisBudgets(client)
    for name in NAMES:
        assert [await each.take(name, cost=1, per_minute=2) for each in (here, there)] == [0, 0]
        assert await here.take(name, cost=1, per_minute=2) > 0


async def quotas_and_tokens(client: redis.asyncio.Redis) -> None:
    for name in NAMES:
        here, there = (Quota(client, name, per_minute=20, per_day=100, share_without_redis=1) for _ in range(2))
        for each in (here, there):
            await each.take(1)
        with pytest.raises(LayerDownError):
            await here.take(1)
        await here.exhausted()
        with pytest.raises(LayerDownError):
            await there.take(1)
        account, platform = WeChatAccount("http://unused", name, "secret-of-the-mini-program"), Platform()
        mine, theirs = (AccessTokens(client, platform, account) for _ in range(2))
        for _ in range(3):
            token = await mine.get()
            assert await theirs.get() == token
            await mine.refused(token)
            await theirs.refused(token)
        assert platform.forced == 1


async def verdicts(client: redis.asyncio.Redis) -> None:
    here, there = (VerdictCache(client, Layer.WECHAT, settings_version="1", ttl_s=60) for _ in range(2))
    for name in NAMES:
        here.put(name, Opinion(refused=True))
    await here.aclose()
    assert [await there.get(name) for name in NAMES] == [Opinion(refused=True)] * len(NAMES)


async def test_no_script_and_no_transaction_touches_keys_of_two_slots(
    redis_cluster: Servers, client: redis.asyncio.Redis
) -> None:
    for port in redis_cluster.processes:
        await redis_cluster.ask(port, "SCRIPT", "FLUSH")
    for ask in (turns, conversations, answers, limits, budgets, quotas_and_tokens, verdicts):
        await ask(client)
    # Each script was among what was asked; whoever adds one adds it here.
    for where, script in scripts().items():
        name = hashlib.sha1(script.encode()).hexdigest()  # noqa: S324  # Redis' own
        ran = [await redis_cluster.ask(port, "SCRIPT", "EXISTS", name) for port in redis_cluster.processes]
        assert any(map(any, ran)), f"{where} was not run"
    assert len(scripts()) >= 8


async def test_the_turns_of_a_replica_that_died_are_closed_on_whichever_node_they_are(
    client: redis.asyncio.Redis,
) -> None:
    closed: list[str] = []

    async def close(user_id: str, started: Started, text: str) -> None:
        closed.append(user_id)

    def living(replica: str) -> tuple[RedisTurnLog, Recovery]:
        log = RedisTurnLog(client, replica=replica, ttl_s=60)
        return log, Recovery(client, log, close, replica=replica, stop=lambda key: True, dead_after_s=1)

    dead, its_recovery = living("dead")
    await its_recovery.beat()
    for name in NAMES:
        await dead.claim(TurnKey(name, "r"), "f")
        dead.append(TurnKey(name, "r"), Entry(0, Started("", "m", ledger_id="r")))
    await dead.flush()
    log, recovery = living("b")
    with structlog.testing.capture_logs():  # that it died is said
        async with running(recovery.run()):
            async with asyncio.timeout(10):
                while len(closed) < len(NAMES):
                    await asyncio.sleep(0.05)
    assert sorted(closed) == sorted(NAMES)
    for name in NAMES:
        assert [type(entry.event) async for batch in log.follow(TurnKey(name, "r")) for entry in batch][-1] is Failed
        await log.forget(TurnKey(name, "r"))


async def test_a_cluster_refuses_what_touches_two_slots(client: redis.asyncio.Redis) -> None:
    with pytest.raises(redis.exceptions.RedisError, match=r"(?i)slot"):
        await cast("Any", client.eval("return redis.call('SET', KEYS[2], 1)", 2, "one", "two"))
