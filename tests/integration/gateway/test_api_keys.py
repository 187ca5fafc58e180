"""API keys that users manage themselves."""

import asyncio

from tests.integration.gateway.conftest import Gateway, StartGateway


async def test_a_key_is_shown_once_and_works_for_what_it_is_for(gateway: Gateway) -> None:
    _, session = await gateway.login("keys-a")
    body = {"name": "laptop", "scopes": ["chat"], "expires_in_days": 30}
    status, made = await gateway.post("/v1/api_keys", body, token=session)
    assert status == 201
    assert made["key"].startswith(made["prefix"])
    assert (made["name"], made["scopes"], made["last_used_at"]) == ("laptop", ["chat"], None)
    assert made["expires_at"] - made["created_at"] == 30 * 24 * 3600
    assert (await gateway.get("/v1/models", token=made["key"]))[0] == 200
    status, refused = await gateway.get("/v1/wallet", token=made["key"])
    assert (status, refused["error"]["code"]) == (403, "permission_denied")
    assert "wallet" in refused["error"]["message"]
    _, listed = await gateway.get("/v1/api_keys", token=session)
    (key,) = listed["data"]
    assert "key" not in key
    assert key["last_used_at"] >= key["created_at"]


async def test_a_deleted_key_is_refused(gateway: Gateway, start_gateway: StartGateway) -> None:
    _, session = await gateway.login("keys-b")
    _, made = await gateway.post("/v1/api_keys", {"name": "old"}, token=session)
    assert made["scopes"] == ["chat", "conversations", "orders", "wallet"]
    path = f"{gateway.url}/v1/api_keys/{made['id']}"
    async with gateway.http.delete(path, headers={"Authorization": f"Bearer {session}"}) as answer:
        assert (answer.status, (await answer.json())["deleted"]) == (200, True)
    async with gateway.http.delete(path, headers={"Authorization": f"Bearer {session}"}) as answer:
        assert answer.status == 404
    assert (await gateway.get("/v1/models", token=made["key"]))[0] == 401
    assert (await gateway.get("/v1/api_keys", token=session))[1]["data"] == []


async def test_nobody_sees_or_deletes_the_keys_of_others_and_a_key_makes_no_keys(gateway: Gateway) -> None:
    _, owner = await gateway.login("keys-c")
    _, other = await gateway.login("keys-d")
    _, made = await gateway.post("/v1/api_keys", {"name": "mine"}, token=owner)
    assert (await gateway.get("/v1/api_keys", token=other))[1]["data"] == []
    path = f"{gateway.url}/v1/api_keys/{made['id']}"
    async with gateway.http.delete(path, headers={"Authorization": f"Bearer {other}"}) as answer:
        assert answer.status == 404
    assert (await gateway.post("/v1/api_keys", {"name": "child"}, token=made["key"]))[0] == 403


async def test_a_user_has_twenty_keys_at_most_also_when_asking_at_once(gateway: Gateway) -> None:
    _, session = await gateway.login("keys-e")
    asked = [gateway.post("/v1/api_keys", {"name": f"key {number}"}, token=session) for number in range(24)]
    statuses = [status for status, _ in await asyncio.gather(*asked)]
    assert sorted(statuses) == [201] * 20 + [429] * 4


async def test_what_is_wrong_with_a_key_that_is_asked_for_is_said(gateway: Gateway) -> None:
    _, session = await gateway.login("keys-f")
    for body, param in (
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["all"]}, "scopes[0]"),
        ({"name": "a", "expires_in_days": 0}, "expires_in_days"),
        ({"name": "a", "expires": 1}, "expires"),
    ):
        status, refused = await gateway.post("/v1/api_keys", body, token=session)
        assert (status, refused["error"]["param"]) == (400, param)


async def test_logging_out_ends_the_session_of_the_refresh_token(gateway: Gateway) -> None:
    _, tokens = await gateway.post("/v1/auth/wechat", {"code": "keys-g"})
    assert (await gateway.post("/v1/auth/revoke", {"refresh_token": tokens["refresh_token"]}))[0] == 200
    assert (await gateway.post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}))[0] == 401
    assert (await gateway.post("/v1/auth/revoke", {"refresh_token": "rt-qq-unknown"}))[0] == 200
