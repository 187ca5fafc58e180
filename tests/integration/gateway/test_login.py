"""Login with WeChat, sessions and wallets."""

import asyncio
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.runtime.errors import Code, RemoteError
from tests.fakes.billing import TRIAL_MICROS
from tests.integration.gateway.conftest import Gateway, StartGateway


async def post(gateway: Gateway, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    async with gateway.http.post(f"{gateway.url}{path}", json=body) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def get(gateway: Gateway, path: str, token: str) -> tuple[int, dict[str, Any]]:
    async with gateway.http.get(f"{gateway.url}{path}", headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json()


async def login(gateway: Gateway, code: str) -> dict[str, Any]:
    status, tokens = await post(gateway, "/v1/auth/wechat", {"code": code})
    assert status == 200
    return tokens


async def test_a_login_gives_tokens_that_work(gateway: Gateway) -> None:
    tokens = await login(gateway, "code-of-a")
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 7200
    status, me = await get(gateway, "/v1/me", tokens["access_token"])
    assert status == 200
    assert me["user"] == tokens["user"]
    assert me["wallet"] == {
        "object": "wallet",
        "balance_micros": TRIAL_MICROS,
        "reserved_micros": 0,
        "available_micros": TRIAL_MICROS,
        "currency": "CNY",
        "available": "1.00",
    }
    assert await get(gateway, "/v1/wallet", tokens["access_token"]) == (200, me["wallet"])


async def test_two_people_are_two_people_and_the_same_code_is_the_same_person(gateway: Gateway) -> None:
    first, again, other = [await login(gateway, code) for code in ("code-of-b", "code-of-b", "code-of-c")]
    assert first["user"] == again["user"]
    assert first["user"] != other["user"]
    assert gateway.billing.opened == [first["user"]["id"], other["user"]["id"]]


async def test_logins_of_one_new_user_at_once_make_one_user(gateway: Gateway) -> None:
    tokens = await asyncio.gather(*(login(gateway, "code-of-crowd") for _ in range(8)))
    assert len({each["user"]["id"] for each in tokens}) == 1


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("invalid-1", 400, "invalid_request_error"),
        ("used-1", 400, "invalid_request_error"),
        ("blocked-1", 403, "permission_denied"),
    ],
)
async def test_what_wechat_refuses_is_explained(gateway: Gateway, code: str, status: int, word: str) -> None:
    answered, body = await post(gateway, "/v1/auth/wechat", {"code": code})
    assert (answered, body["error"]["code"]) == (status, word)
    assert "登录" in body["error"]["message"]


@pytest.mark.parametrize("options", [{"wechat_api_base_url": "http://127.0.0.1:9"}, {"wechat_secret": SecretStr("x")}])
async def test_a_wechat_that_fails_is_our_problem_and_can_be_tried_again(
    start_gateway: StartGateway, options: dict[str, Any]
) -> None:
    gateway = await start_gateway(**options)
    status, body = await post(gateway, "/v1/auth/wechat", {"code": "code"})
    assert (status, body["error"]["code"]) == (503, "service_unavailable")


async def test_a_login_works_once_billing_is_back(gateway: Gateway) -> None:
    gateway.billing.trouble = RemoteError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "no", retry_after_s=1)
    status, _ = await post(gateway, "/v1/auth/wechat", {"code": "code-of-d"})
    assert status == 503
    gateway.billing.trouble = None
    tokens = await login(gateway, "code-of-d")
    assert gateway.billing.opened == [tokens["user"]["id"]]


async def test_a_refresh_token_is_exchanged_for_new_ones(gateway: Gateway) -> None:
    tokens = await login(gateway, "code-of-e")
    status, fresh = await post(gateway, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert status == 200
    assert fresh["user"] == tokens["user"]
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert (await get(gateway, "/v1/me", fresh["access_token"]))[0] == 200


async def test_a_refresh_token_that_comes_back_ends_its_whole_session_and_no_other(gateway: Gateway) -> None:
    tokens = await login(gateway, "code-of-f")
    elsewhere = await login(gateway, "code-of-f")
    _, fresh = await post(gateway, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    for stolen in (tokens["refresh_token"], fresh["refresh_token"]):
        status, body = await post(gateway, "/v1/auth/refresh", {"refresh_token": stolen})
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    status, _ = await post(gateway, "/v1/auth/refresh", {"refresh_token": elsewhere["refresh_token"]})
    assert status == 200


async def test_a_refresh_token_used_twice_at_once_works_once(gateway: Gateway) -> None:
    tokens = await login(gateway, "code-of-g")
    body = {"refresh_token": tokens["refresh_token"]}
    answers = await asyncio.gather(*(post(gateway, "/v1/auth/refresh", body) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 401, 401, 401, 401]


@pytest.mark.parametrize("token", ["x", "rt-qq-" + "a" * 40])
async def test_an_unknown_refresh_token_is_refused(gateway: Gateway, token: str) -> None:
    status, body = await post(gateway, "/v1/auth/refresh", {"refresh_token": token})
    assert (status, body["error"]["message"]) == (401, "登录已失效，请重新登录。")


async def test_a_user_without_a_wallet_has_an_empty_one(gateway: Gateway) -> None:
    status, wallet = await get(gateway, "/v1/wallet", gateway.key)
    assert status == 200
    assert (wallet["available_micros"], wallet["available"]) == (0, "0.00")


async def test_secrets_are_stored_as_digests_alone(gateway: Gateway) -> None:
    tokens = await login(gateway, "code-of-h")
    connection = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    try:
        for query in ("SELECT * FROM gateway.api_keys", "SELECT * FROM gateway.refresh_tokens"):
            rows = str(await connection.fetch(query))
            assert "sha256" in rows
            assert tokens["refresh_token"] not in rows
            assert gateway.key not in rows
    finally:
        await connection.close()
