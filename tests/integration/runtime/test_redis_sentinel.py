"""The Redis that Sentinels name: another server takes over, and clients go along."""

import asyncio
import time

import pytest
from redis.exceptions import RedisError

from services.runtime.errors import StartupError
from services.runtime.redis import redis_client
from tests.redis_servers import own_sentinels

pytestmark = pytest.mark.xdist_group("clock")


async def test_clients_follow_the_sentinels_to_the_server_that_takes_over() -> None:
    async with own_sentinels() as servers:
        primary, replica, *sentinels = servers.processes
        with pytest.raises(StartupError, match="does not answer: start it, or check REDIS_URL"):
            async with redis_client(servers.url.replace("/main", "/other")):
                pass
        async with redis_client(servers.url) as client:
            await client.set("word", "还在")
            await servers.ask(primary, "WAIT", 1, 1000)
            # One of them says nothing; the others are asked.
            with servers.frozen(sentinels[0]):
                await servers.kill(primary)
                begin = time.monotonic()
                with pytest.raises(RedisError):
                    await client.get("word")
                async with asyncio.timeout(15):
                    while True:
                        try:
                            assert await client.get("word") == "还在".encode()
                            break
                        except RedisError:
                            await asyncio.sleep(0.05)
                assert time.monotonic() - begin > 0.3
            assert await client.set("word", "新的")
            assert await servers.ask(replica, "GET", "word") == "新的".encode()

            # Without any Sentinel the server that they named last is still there, for new connections too.
            for port in sentinels:
                await servers.kill(port)
            assert await asyncio.gather(*(client.get("word") for _ in range(5))) == ["新的".encode()] * 5
        assert not [task for task in asyncio.all_tasks() if "_probe" in repr(task)]
        with pytest.raises(StartupError, match="does not answer: start it, or check REDIS_URL"):
            async with redis_client(servers.url):
                pass
