"""Three replicas of every service, on stores that have outgrown one machine.

Redis is a cluster, each service has a role and a database of its own, and a pooler is before them. Whatever one replica
knows the others do.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import asyncpg
import grpc
import pytest
from queqiao.moderation.v1 import lexicon_pb2, lexicon_pb2_grpc
from redis.crc import key_slot

from sandbox.mesh import Mesh
from services.chat.streams.domain import TurnKey
from services.chat.streams.names import stream
from tests.e2e.conftest import People, User
from tests.e2e.test_resuming import SLOW, WHOLE, leave, read, resume
from tests.postgres_servers import pgbouncer, role_of_its_own
from tests.redis_servers import Servers, own_cluster

pytestmark = pytest.mark.xdist_group("mesh")

SERVICES = ("billing", "moderation", "chat", "gateway")
REPLICAS = 3
PER_MINUTE = 120
# Connections of a service's replicas together, which would open thirty and more.
CONNECTIONS = 4


@dataclass(frozen=True)
class Outgrown:
    """The addresses of the replicas of each service, and the cluster that they share."""

    gateways: list[str]
    targets: Mapping[str, list[str]]
    redis: Servers

    def everywhere(self, user: User) -> list[User]:
        """The same person at each of the gateways, and so at the chat service and the moderation of its number."""
        return [replace(user, url=url) for url in self.gateways]


@asynccontextmanager
async def outgrown(mesh: Mesh) -> AsyncIterator[Outgrown]:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(own_cluster(replicas=1))
        own = {each: f"{each}_{secrets.token_hex(4)}" for each in SERVICES}
        postgres = mesh.env["DATABASE_URL"]
        urls = {each: await stack.enter_async_context(role_of_its_own(postgres, own[each])) for each in SERVICES}
        for service, url in urls.items():
            await _set_up(url, service)
        pooler = await stack.enter_async_context(pgbouncer(*urls.values(), connections=CONNECTIONS))
        targets: dict[str, list[str]] = {}

        async def several(service: str) -> None:
            async def start(number: int) -> str:
                told = {"DATABASE_URL": pooler.url(urls[service]), "DATABASE_POOLED": "true", "DRAIN_S": "2"}
                told |= {} if service == "billing" else {"REDIS_URL": cluster.url}
                if service in ("chat", "gateway"):
                    told["BILLING_TARGET"] = f"ipv4:{','.join(targets['billing'])}"
                    told["MODERATION_TARGET"] = targets["moderation"][number]
                if service == "gateway":
                    told |= {"CHAT_TARGET": targets["chat"][number], "RATE_LIMIT_TRIAL_PER_MINUTE": str(PER_MINUTE)}
                    told |= {"CONCURRENT_TURNS_MAX": "1"}
                address = await mesh.replica(service, f"outgrown-{service}-{number}", **told)
                process = mesh.process(f"outgrown-{service}-{number}")
                stack.push_async_callback(process.stop, grace_s=10)
                return address

            targets[service] = await asyncio.gather(*(start(number) for number in range(REPLICAS)))

        await asyncio.gather(several("billing"), several("moderation"))
        await several("chat")
        await several("gateway")
        yield Outgrown(targets["gateway"], targets, cluster)


async def _set_up(url: str, service: str) -> None:
    """What docs/operations.md tells to do for a service behind a pooler."""
    owner = await asyncpg.connect(url)
    try:
        role = await owner.fetchval("SELECT current_user")
        for name, value in (
            ("search_path", service),
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "30000"),
        ):
            await owner.execute(f"ALTER ROLE {role} SET {name} = {value}")
    finally:
        await owner.close()


async def test_what_one_replica_knows_every_other_does(mesh: Mesh) -> None:
    async with outgrown(mesh) as grown, AsyncExitStack() as sessions:
        people = People(grown.gateways[0], sessions)
        user = await people.login()
        everywhere = grown.everywhere(user)

        await _sessions(everywhere)
        await _resumption(everywhere)
        await _stopping(everywhere[0], everywhere[2])
        await _queues(everywhere)
        # What is waited for takes no time of what counts.
        await asyncio.gather(_lists(grown, await people.login()), _limits(grown, await people.login()))
        await _a_node_less(grown, await people.login())

        await _farewell(everywhere)
        await _pooled(mesh)


async def _sessions(everywhere: Sequence[User]) -> None:
    here = everywhere[0]
    for each in everywhere:
        async with each.http.get(f"{each.url}/v1/me") as answer:
            assert (answer.status, (await answer.json())["user"]["id"]) == (200, here.id)


async def _resumption(everywhere: Sequence[User]) -> None:
    """Left at one, gone on with at another, left again, heard to its end at the third, paid once."""
    here, there, elsewhere = everywhere
    before = await here.settled_balance()
    async with here.ask(SLOW, stream=True) as answer:
        assert (await read(answer))[0] == WHOLE
    price = before - await there.settled_balance()
    request_id, text, last = await leave(here, SLOW, 3)
    async with resume(there, request_id, last) as answer:
        assert answer.status == 200, await answer.text()
        more, _, last = await read(answer, 2)
        answer.close()
    async with resume(elsewhere, request_id, last) as answer:
        assert answer.status == 200, await answer.text()
        rest, seen, _ = await read(answer)
    assert [text + more + rest, seen[-1]] == [WHOLE, "[DONE]"]
    assert before - await there.settled_balance() == 2 * price


async def _stopping(here: User, there: User) -> None:
    """Stopped by way of a replica that does not run it."""
    async with here.ask("[[sim deltas=500 interval_ms=20]]", stream=True, max_tokens=1000) as answer:
        request_id = answer.headers["X-Request-Id"]
        await read(answer, 3)
        async with there.http.delete(f"{there.url}/v1/chat/streams/{request_id}") as stopped:
            assert stopped.status in (200, 202, 204), await stopped.text()
        async with asyncio.timeout(5):
            await read(answer)
    assert (await there.settled_balance()) > 0


async def _queues(everywhere: Sequence[User]) -> None:
    """A queue is a gateway's own: who waits at one for their own turn to end runs at once at the others."""
    here, *others = everywhere
    first = asyncio.create_task(_whole(here, "[[sim text=一|二|三|四|五|六|七|八 interval_ms=300]]"))
    await asyncio.sleep(0.3)
    second = asyncio.create_task(_whole(here, SLOW))
    await asyncio.sleep(0.1)
    assert await asyncio.gather(*(_whole(each, SLOW) for each in others)) == [WHOLE] * len(others)
    assert not first.done()
    assert not second.done()
    assert [await first, await second] == [WHOLE] * 2


async def _whole(user: User, question: str) -> str:
    async with user.ask(question, stream=True) as answer:
        return (await read(answer))[0]


async def _lists(grown: Outgrown, user: User) -> None:
    """A word that is added at one moderation is refused by all; behind a pooler they look every three seconds."""
    word = f"新词{secrets.token_hex(6)}"
    async with grpc.aio.insecure_channel(grown.targets["moderation"][0]) as channel:
        stub: lexicon_pb2_grpc.LexiconServiceAsyncStub = lexicon_pb2_grpc.LexiconServiceStub(channel)
        entry = lexicon_pb2.Entry(word=word, label=21000)
        await stub.AddEntries(lexicon_pb2.AddEntriesRequest(entries=[entry], author="test"))
    await asyncio.gather(*(_refused(each, word) for each in grown.everywhere(user)[1:]))


async def _refused(user: User, word: str) -> None:
    async with asyncio.timeout(6):
        while True:
            async with user.ask(f"什么是{word}") as answer:
                if answer.status == 403:
                    return
            await asyncio.sleep(0.5)


async def _limits(grown: Outgrown, user: User) -> None:
    """As many requests a minute as one replica would let in."""
    statuses = []
    for number in range(PER_MINUTE + 10):
        async with user.http.get(f"{grown.gateways[number % REPLICAS]}/v1/models") as answer:
            statuses.append(answer.status)
    assert statuses == [200] * PER_MINUTE + [429] * 10


async def _a_node_less(grown: Outgrown, user: User) -> None:
    """The node that keeps the user's running turn dies: the turn does not, and another node takes its place."""
    everywhere = grown.everywhere(user)
    here, there, _ = everywhere
    nodes = [*grown.redis.processes]
    # The first one alone has a replica.
    await grown.redis.kill(nodes[0])
    for each in everywhere:
        async with each.ask("[[sim text=好]]") as answer:
            assert answer.status == 200, await answer.text()
    async with asyncio.timeout(15):
        while True:
            request_id, text, last = await leave(here, SLOW, 2)
            async with resume(there, request_id, last) as answer:
                if answer.status == 200 and _is_of_first(TurnKey(user.id, request_id)):
                    assert text + (await read(answer))[0] == WHOLE
                    return
            await asyncio.sleep(0.1)


def _is_of_first(key: TurnKey) -> bool:
    return key_slot(stream(key).encode()) * 3 // 16384 == 0


async def _farewell(everywhere: Sequence[User]) -> None:
    """Erased at one, let in at none; the others ask each second who was."""
    here = everywhere[0]
    async with here.http.delete(f"{here.url}/v1/me") as answer:
        assert answer.status in (200, 202, 204), await answer.text()
    async with asyncio.timeout(4):
        for each in everywhere:
            while True:
                async with each.http.get(f"{each.url}/v1/me") as answer:
                    if answer.status == 401:
                        break
                await asyncio.sleep(0.2)


async def _pooled(mesh: Mesh) -> None:
    """No service had more connections than the pooler lends."""
    connection = await asyncpg.connect(mesh.env["DATABASE_URL"])
    try:
        counts = await connection.fetch(
            "SELECT usename, count(*) AS open FROM pg_stat_activity "
            "WHERE usename ~ '^(billing|moderation|chat|gateway)_' GROUP BY usename"
        )
    finally:
        await connection.close()
    assert len(counts) == len(SERVICES)
    assert all(row["open"] <= CONNECTIONS for row in counts)
