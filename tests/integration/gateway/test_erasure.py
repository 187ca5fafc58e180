"""`DELETE /v1/me`: every way in ends at once, nothing of the identity is left, and what fails is gone on with."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from services.gateway.identity.accounts import Accounts
from services.runtime.errors import UnavailableError
from tests.fakes.billing import TRIAL_MICROS
from tests.integration.gateway.conftest import APPID, Gateway, StartGateway

KEY = {"name": "laptop", "scopes": ["chat", "account"]}


async def status_of(gateway: Gateway, token: str, method: str = "GET", path: str = "/v1/models") -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.http.request(method, f"{gateway.url}{path}", headers=headers) as answer:
        return answer.status


async def delete_me(gateway: Gateway, token: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.http.delete(f"{gateway.url}/v1/me", headers=headers) as answer:
        found = await answer.json()
        gateway.document.demand("DELETE", "/v1/me", answer.status, found)
        return answer.status, found


@asynccontextmanager
async def database(gateway: Gateway) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(
        gateway.settings.database_url.get_secret_value(), server_settings={"search_path": "gateway"}
    )
    yield connection
    await connection.close()


async def finished(gateway: Gateway, user_id: str) -> bool:
    async with database(gateway) as connection:
        return bool(
            await connection.fetchval("SELECT finished_at IS NOT NULL FROM erased_users WHERE id = $1", user_id)
        )


async def test_sessions_and_keys_end_at_once_and_the_same_person_comes_back_as_a_new_user(gateway: Gateway) -> None:
    status, tokens = await gateway.post("/v1/auth/wechat", {"code": "erase-me"})
    user_id, token = tokens["user"]["id"], tokens["access_token"]
    key = (await gateway.post("/v1/api_keys", KEY, token=token))[1]["key"]
    # Both have just been seen.
    assert [await status_of(gateway, each) for each in (token, key)] == [200, 200]
    assert await delete_me(gateway, token) == (200, {"id": user_id, "object": "user", "deleted": True})
    assert [await status_of(gateway, each) for each in (token, key)] == [401, 401]
    status, _ = await gateway.post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert status == 401
    assert gateway.chat.erased == [user_id]
    again, fresh = await gateway.login("erase-me")
    assert again != user_id
    assert await status_of(gateway, fresh) == 200
    assert await status_of(gateway, token) == 401


async def balance(gateway: Gateway, token: str) -> int:
    status, wallet = await gateway.get("/v1/wallet", token=token)
    assert status == 200
    return int(wallet["balance_micros"])


async def test_who_comes_back_is_not_given_trial_credit_again_until_it_is_forgotten(
    start_gateway: StartGateway,
) -> None:
    gateway = await start_gateway(trial_again_after_days=30)
    balances = []
    for days in (0, 0, 29, 31):
        async with database(gateway) as connection:
            await connection.execute("UPDATE erased_users SET erased_at = now() - make_interval(days => $1)", days)
        async with asyncpg.create_pool(
            gateway.settings.database_url.get_secret_value(),
            min_size=1,
            max_size=1,
            server_settings={"search_path": "gateway"},
        ) as pool:
            await Accounts(pool).forget_marks(after_days=30)
        _, token = await gateway.login("erase-for-trial")
        balances.append(await balance(gateway, token))
        await delete_me(gateway, token)
    assert balances == [TRIAL_MICROS, 0, 0, TRIAL_MICROS]


async def test_the_mark_is_no_digest_that_anybody_could_make_and_is_not_kept_where_nobody_wants_it(
    start_gateway: StartGateway,
) -> None:
    for days, kept in ((30, True), (0, False)):
        gateway = await start_gateway(trial_again_after_days=days)
        user_id, token = await gateway.login(f"erase-mark-{days}")
        async with database(gateway) as connection:
            openid = await connection.fetchval("SELECT wechat_openid FROM users WHERE id = $1", user_id)
            await delete_me(gateway, token)
            mark = await connection.fetchval("SELECT openid_mark FROM erased_users WHERE id = $1", user_id)
        assert (mark is not None) == kept
        assert mark != hashlib.sha256(openid.encode()).digest()
        _, again = await gateway.login(f"erase-mark-{days}")
        assert await balance(gateway, again) == (0 if kept else TRIAL_MICROS)


async def test_those_who_cannot_be_erased_do_not_keep_others_waiting(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    gateway.chat.erasing = UnavailableError("down")
    async with database(gateway) as connection:
        await connection.executemany(
            "INSERT INTO erased_users (id, erased_at) VALUES ($1, now() - interval '1 day')",
            [(f"usr_{number:024x}",) for number in range(45)],
        )
        async with asyncio.timeout(6):
            while await connection.fetchval("SELECT count(*) FROM erased_users WHERE tried_at IS NULL"):
                await asyncio.sleep(0.1)  # another's clock


async def test_nothing_of_the_identity_is_left_but_the_id(gateway: Gateway) -> None:
    user_id, token = await gateway.login("erase-rows")
    await gateway.post("/v1/api_keys", KEY, token=token)
    await delete_me(gateway, token)
    async with database(gateway) as connection:
        columns = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'gateway' "
            "AND column_name IN ('user_id', 'id') AND table_name <> 'erased_users'"
        )
        assert {row["table_name"] for row in columns} >= {"users", "api_keys", "refresh_tokens"}
        for table, column in columns:
            found = await connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE {column} = $1",  # noqa: S608  # of the schema
                user_id,
            )
            assert not found, f"{table} has something left"


async def test_a_login_that_was_under_way_brings_nobody_back(gateway: Gateway) -> None:
    user_id, token = await gateway.login("erase-login")
    await delete_me(gateway, token)
    async with asyncpg.create_pool(
        gateway.settings.database_url.get_secret_value(),
        min_size=1,
        max_size=1,
        server_settings={"search_path": "gateway"},
    ) as pool:
        accounts = Accounts(pool)
        await accounts.keep_session_key(user_id, b"x" * 32)
        with pytest.raises(UnavailableError):
            await accounts.add_refresh_token(user_id, b"x" * 32, ttl_s=60)
        # A second time changes nothing.
        await accounts.erase_user(user_id)
        assert await accounts.wechat_session(user_id) == ("", None)


async def test_a_key_with_its_scope_may_and_one_without_may_not(gateway: Gateway) -> None:
    _, token = await gateway.login("erase-by-key")
    chats = (await gateway.post("/v1/api_keys", {"name": "chats"}, token=token))[1]["key"]
    manages = (await gateway.post("/v1/api_keys", KEY, token=token))[1]["key"]
    assert (await delete_me(gateway, chats))[0] == 403
    assert (await delete_me(gateway, manages))[0] == 200
    # Whoever did not hear the answer, and asks again, is told that there is nobody of that name.
    assert (await delete_me(gateway, manages))[0] == 401


async def test_other_replicas_end_the_sessions_within_seconds_and_know_after_a_restart(
    start_gateway: StartGateway,
) -> None:
    here, there = await start_gateway(), await start_gateway()
    _, token = await here.login("erase-elsewhere")
    key = (await here.post("/v1/api_keys", KEY, token=token))[1]["key"]
    assert [await status_of(there, each) for each in (token, key)] == [200, 200]
    await delete_me(here, token)
    async with asyncio.timeout(3):
        while [await status_of(there, each) for each in (token, key)] != [401, 401]:  # another's clock
            await asyncio.sleep(0.1)
    assert await status_of(await start_gateway(), token) == 401


async def test_what_the_chat_service_could_not_erase_is_erased_later_and_once_more(
    start_gateway: StartGateway,
) -> None:
    gateway = await start_gateway()
    user_id, token = await gateway.login("erase-later")
    gateway.chat.erasing = UnavailableError("down")
    assert (await delete_me(gateway, token))[0] == 200
    assert await status_of(gateway, token) == 401
    async with database(gateway) as connection:
        await connection.execute("UPDATE erased_users SET erased_at = now() - interval '20 seconds'")
    await asyncio.sleep(1.3)
    assert (gateway.chat.erased, await finished(gateway, user_id)) == ([], False)
    gateway.chat.erasing = None
    async with asyncio.timeout(3):
        while not await finished(gateway, user_id):  # a database's state
            await asyncio.sleep(0.1)
    assert gateway.chat.erased == [user_id]
    await asyncio.sleep(1.2)
    assert gateway.chat.erased == [user_id]


async def test_a_user_of_cloud_run_comes_back_as_a_new_user(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(wechat_cloud_run=True)
    headers = {"X-WX-OPENID": "openid-to-erase", "X-WX-APPID": APPID}
    ids = []
    for method in ("GET", "DELETE", "GET", "GET"):
        async with gateway.http.request(method, f"{gateway.url}/v1/me", headers=headers) as answer:
            assert answer.status == 200
            found = await answer.json()
            ids.append(found["user"]["id"] if method == "GET" else found["id"])
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert [gateway.billing.wallets[each].balance_micros for each in ids[1:3]] == [TRIAL_MICROS, 0]
