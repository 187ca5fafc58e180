"""One access token for the whole fleet."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
import structlog.testing
from redis.asyncio import Redis

from services.moderation.errors import LayerDownError
from services.moderation.layers.tokens import AccessTokens
from services.moderation.layers.wechat_client import WeChatAccount, WeChatLine
from tests.fakes.remote_layers import WeChatPlatform

SECRET = "the-secret-of-the-mini-program-1"
KEY = "moderation:wechat:{wx1}:token"

# Another replica: prints the token that it gets.
REPLICA = """
import asyncio, sys
from services.moderation.layers.tokens import AccessTokens
from services.moderation.layers.wechat_client import WeChatAccount, WeChatLine
from services.runtime.redis import redis_client

async def main(redis_url, base_url, secret):
    account = WeChatAccount(base_url, "wx1", secret)
    line = WeChatLine(account, threads_max=4, timeout_s=5)
    async with redis_client(redis_url) as redis:
        tokens = AccessTokens(redis, line, account)
        print(set(await asyncio.gather(*(tokens.get() for _ in range(25)))))
    line.close()

asyncio.run(main(*sys.argv[1:]))
"""


def account(platform: WeChatPlatform, secret: str = SECRET) -> WeChatAccount:
    return WeChatAccount(platform.url, "wx1", secret)


@pytest.fixture
async def line(wechat: WeChatPlatform) -> AsyncIterator[WeChatLine]:
    """The line to the platform."""
    line = WeChatLine(account(wechat), threads_max=8, timeout_s=5)
    yield line
    line.close()


@pytest.fixture
def tokens(redis: Redis, line: WeChatLine, wechat: WeChatPlatform) -> AccessTokens:
    """One replica's."""
    return AccessTokens(redis, line, account(wechat))


async def test_fifty_askers_over_two_replicas_fetch_one_token(
    redis: Redis, line: WeChatLine, wechat: WeChatPlatform
) -> None:
    wechat.token_delay_s = 0.1
    replicas = [AccessTokens(redis, line, account(wechat)) for _ in range(2)]
    got = await asyncio.gather(*(replicas[n % 2].get() for n in range(50)))
    assert set(got) == {"token-1"}
    assert wechat.fetched == {"ordinary": 1}


async def test_two_processes_fetch_one_token(redis: Redis, redis_database_url: str, wechat: WeChatPlatform) -> None:
    wechat.token_delay_s = 0.3
    command = [sys.executable, "-c", REPLICA, redis_database_url, wechat.url, SECRET]
    replicas = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(2)]
    printed = [(await replica.communicate())[0] for replica in replicas]
    assert printed == [b"{'token-1'}\n"] * 2
    assert wechat.fetched == {"ordinary": 1}


async def test_the_token_is_kept_until_before_its_end_and_unreadable(
    tokens: AccessTokens, redis: Redis, wechat: WeChatPlatform
) -> None:
    await tokens.get()
    assert 6_890_000 < await redis.pttl(KEY) <= 6_900_000
    stored = await redis.get(KEY)
    assert isinstance(stored, bytes)
    assert wechat.token.encode() not in stored


@pytest.mark.parametrize(("expires_in", "kept_s"), [(7200, 6900), (400, 200), (100, 50), (10**9, 6900)])
async def test_a_token_near_its_end_is_used_for_half_of_what_is_left(
    tokens: AccessTokens, redis: Redis, wechat: WeChatPlatform, expires_in: int, kept_s: int
) -> None:
    wechat.expires_in = expires_in
    await tokens.get()
    assert kept_s - 2 < await redis.pttl(KEY) / 1000 <= kept_s


async def test_a_token_at_its_end_is_fetched_again(redis: Redis, line: WeChatLine, wechat: WeChatPlatform) -> None:
    now_s = 1000.0
    tokens = AccessTokens(redis, line, account(wechat), clock=lambda: now_s)
    await tokens.get()
    wechat.token = "token-2"
    assert await tokens.get() == "token-1"
    now_s += 6901
    await redis.delete(KEY)
    assert await tokens.get() == "token-2"


async def test_a_refused_token_is_dropped_for_all_replicas(
    redis: Redis, line: WeChatLine, wechat: WeChatPlatform
) -> None:
    first, second = (AccessTokens(redis, line, account(wechat)) for _ in range(2))
    assert {await first.get(), await second.get()} == {"token-1"}
    wechat.token = "token-2"
    await asyncio.gather(first.refused("token-1"), second.refused("token-1"))
    assert {await first.get(), await second.get()} == {"token-2"}
    assert wechat.fetched == {"ordinary": 2}


async def test_a_refused_token_is_not_picked_up_again_while_redis_still_drops_it(
    tokens: AccessTokens, redis: Redis, wechat: WeChatPlatform
) -> None:
    await tokens.get()
    wechat.token = "token-2"
    # What writes waits; what reads does not.
    await redis.client_pause(100, all=False)
    _, got = await asyncio.gather(tokens.refused("token-1"), tokens.get())
    assert got == "token-2"


async def test_a_newer_token_is_not_dropped_for_an_older_ones_refusal(
    redis: Redis, line: WeChatLine, wechat: WeChatPlatform
) -> None:
    first, late = (AccessTokens(redis, line, account(wechat)) for _ in range(2))
    await first.get()
    await late.get()
    wechat.token = "token-2"
    await first.refused("token-1")
    assert await first.get() == "token-2"
    # A replica that still has the old one, and an principal that still had it.
    await late.refused("token-1")
    await first.refused("token-1")
    assert {await first.get(), await late.get()} == {"token-2"}
    assert wechat.fetched == {"ordinary": 2}


async def test_a_new_token_is_forced_only_when_the_ordinary_call_goes_on_answering_a_refused_one(
    tokens: AccessTokens, wechat: WeChatPlatform
) -> None:
    for _ in range(2):
        assert await tokens.get() == "token-1"
        await tokens.refused("token-1")
    assert wechat.fetched == {"ordinary": 2}
    assert await tokens.get() == "forced-1"
    assert wechat.fetched == {"ordinary": 3, "forced": 1}


async def test_tokens_are_forced_at_most_twenty_times_a_day(
    tokens: AccessTokens, redis: Redis, wechat: WeChatPlatform
) -> None:
    for _ in range(12):
        await tokens.refused(await tokens.get())
    assert wechat.fetched["forced"] == 1
    assert 4300 < await redis.ttl(f"{KEY}:forced") <= 4320


async def test_without_redis_a_replica_fetches_for_itself_and_forces_nothing(
    no_redis: Redis, line: WeChatLine, wechat: WeChatPlatform
) -> None:
    alone = AccessTokens(no_redis, line, account(wechat))
    assert set(await asyncio.gather(*(alone.get() for _ in range(20)))) == {"token-1"}
    assert wechat.fetched == {"ordinary": 1}
    for _ in range(5):
        await alone.refused("token-1")
        assert await alone.get() == "token-1"
    assert wechat.fetched["forced"] == 0


async def test_whoever_gives_up_waiting_does_not_stop_the_others(tokens: AccessTokens, wechat: WeChatPlatform) -> None:
    wechat.token_delay_s = 0.3
    hasty, patient = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await asyncio.sleep(0.05)
    hasty.cancel()
    assert await patient == "token-1"
    assert wechat.fetched == {"ordinary": 1}


@pytest.mark.parametrize(
    "reply",
    [
        {"errcode": 40125, "errmsg": "invalid appsecret"},
        {},
        {"access_token": "", "expires_in": 7200},
        {"access_token": "t", "expires_in": "7200"},
        {"access_token": "t", "expires_in": 0},
        {"access_token": 3, "expires_in": 7200},
    ],
)
async def test_an_answer_without_a_token_is_an_error_and_the_next_asker_tries_again(
    tokens: AccessTokens, wechat: WeChatPlatform, reply: dict[str, object]
) -> None:
    wechat.token_reply = reply
    with pytest.raises(LayerDownError, match="error"):
        await tokens.get()
    wechat.token_reply = None
    assert await tokens.get() == "token-1"


async def test_a_token_that_another_secret_stored_is_fetched_anew(
    tokens: AccessTokens, redis: Redis, line: WeChatLine, wechat: WeChatPlatform
) -> None:
    await tokens.get()
    other = AccessTokens(redis, line, account(wechat, "another-secret-of-the-mini-prog"))
    assert await other.get() == "token-1"
    assert wechat.fetched == {"ordinary": 2}


async def test_no_log_holds_a_token_or_the_secret(tokens: AccessTokens, wechat: WeChatPlatform) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await tokens.refused(await tokens.get())
        wechat.token_reply = {"errcode": 40125, "errmsg": f"invalid appsecret {SECRET}"}
        with pytest.raises(LayerDownError):
            await tokens.get()
    assert logs
    assert "token-1" not in str(logs)
    assert SECRET not in str(logs)
    assert SECRET not in repr(account(wechat))
