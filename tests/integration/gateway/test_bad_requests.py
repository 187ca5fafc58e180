"""Bad input on every public field is a 4xx in OpenAI's shape with a sentence that helps, and no turn."""

import io
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.gateway.conftest import Gateway, StartGateway

URL = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "你好"}]


async def post(
    gateway: Gateway, path: str, raw: bytes | str | io.BytesIO, **headers: str
) -> tuple[int, dict[str, Any]]:
    sent = {"Content-Type": "application/json", "Accept-Language": "en", **gateway.auth, **headers}
    async with gateway.http.post(f"{gateway.url}{path}", data=raw, headers=sent) as answer:
        assert answer.headers["X-Request-Id"].startswith("req_")
        error = (await answer.json())["error"]
        assert set(error) == {"message", "type", "code", "param"}
        assert error["message"]
        return answer.status, error


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "not valid JSON"),
        (b"{", None, "line 1, column 2"),
        (b"hello", None, "not valid JSON"),
        (b"\xff\xfe", None, "UTF-8"),
        (b"[]", None, "JSON object"),
        (b"[" * 100_000, None, "nested"),
        (b'{"model":"a","model":"b"}', "model", "twice"),
        (b'{"temperature":NaN}', None, "number"),
        ({}, "messages", "required"),
        ({"messages": []}, "messages", "empty"),
        ({"messages": None}, "messages", "required"),
        ({"messages": "hello"}, "messages", "array"),
        ({"messages": HELLO * 257}, "messages", "256"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "empty"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content", "empty"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "string"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "required"),
        ({"messages": [*HELLO, {"role": "robot", "content": "x"}]}, "messages[1].role", "developer"),
        ({"messages": [{"role": "user", "content": "a\x00b"}]}, "messages[0].content", "control"),
        (b'{"messages":[{"role":"user","content":"\\ud800"}]}', "messages[0].content", "broken"),
        ({"messages": HELLO, "max_tokens": -1}, "max_tokens", "between 1"),
        ({"messages": HELLO, "max_tokens": 0}, "max_tokens", "between 1"),
        ({"messages": HELLO, "max_tokens": 10**12}, "max_tokens", "between 1"),
        ({"messages": HELLO, "max_tokens": "many"}, "max_tokens", "integer"),
        ({"messages": HELLO, "temperature": 3}, "temperature", "between 0 and 2"),
        ({"messages": HELLO, "top_p": -1}, "top_p", "between 0 and 1"),
        ({"messages": HELLO, "presence_penalty": 9}, "presence_penalty", "between -2 and 2"),
        ({"messages": HELLO, "frequency_penalty": True}, "frequency_penalty", "number"),
        ({"messages": HELLO, "seed": 2**70}, "seed", "between"),
        ({"messages": HELLO, "stop": ["a"] * 5}, "stop", "4"),
        ({"messages": HELLO, "stop": [""]}, "stop", "empty"),
        ({"messages": HELLO, "n": 2}, "n", "not supported"),
        ({"messages": HELLO, "stream": "yes"}, "stream", "boolean"),
        ({"messages": HELLO, "stream_options": {"usage": True}}, "stream_options.usage", "spelling"),
        ({"messages": HELLO, "audio": {"voice": "x"}}, "audio", "not supported"),
        ({"messages": HELLO, "tools": [{"a": "\x00"}]}, "tools[0].a", "control"),
        ({"messages": HELLO, "on_disconnect": "stay"}, "on_disconnect", "continue, cancel"),
        ({"messages": HELLO, "parent_id": "1"}, "conversation_id", "required"),
        ({"messages": HELLO, "parent_id": "x", "conversation_id": "c"}, "parent_id", "message"),
        ({"messages": HELLO, "regenerate_id": "1", "conversation_id": "c"}, "messages", "regenerate_id"),
        ({"parent_id": "1", "continue_id": "1", "conversation_id": "c"}, "parent_id", "continue_id"),
        ({"messages": HELLO, "conversation_id": "a b"}, "conversation_id", "64"),
        ({"messages": HELLO, "model": "m" * 300}, "model", "256"),
        ({"messages": HELLO, "model": 5}, "model", "string"),
    ],
)  # fmt: skip
async def test_a_bad_body_names_what_is_wrong(
    gateway: Gateway, body: bytes | dict[str, Any], param: str | None, words: str
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    status, error = await post(gateway, URL, raw)
    assert status == 400
    assert (error["code"], error["type"]) == ("invalid_request_error", "invalid_request_error")
    assert error["param"] == param
    assert words in error["message"]
    assert gateway.chat.requests == []


async def test_the_sentence_is_chinese_by_default(gateway: Gateway) -> None:
    _, error = await post(gateway, URL, b"{}", **{"Accept-Language": ""})
    assert error["message"] == "缺少必填参数 messages。"


async def test_parameters_that_ask_for_nothing_are_taken(gateway: Gateway) -> None:
    body = {
        "messages": HELLO, "tools": [], "tool_choice": "none", "logprobs": False, "response_format": {"type": "text"},
        "user": "u", "temperature": None, "n": 1, "store": False,
    }  # fmt: skip
    async with gateway.http.post(f"{gateway.url}{URL}", json=body, headers=gateway.auth) as answer:
        assert answer.status == 200


async def test_another_content_type_is_explained(gateway: Gateway) -> None:
    status, error = await post(gateway, URL, b"{}", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 400
    assert "Content-Type: application/json" in error["message"]


async def test_a_body_that_says_it_is_too_large_is_refused(gateway: Gateway) -> None:
    status, error = await post(gateway, URL, io.BytesIO(b"x" * 10_000_000))
    assert (status, error["code"]) == (413, "request_too_large")
    assert "1048576" in error["message"]


async def test_a_body_that_turns_out_too_large_is_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(body_bytes_max=2000)

    async def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 100

    headers = {"Content-Type": "application/json", **gateway.auth}
    async with gateway.http.post(f"{gateway.url}{URL}", data=chunks(), headers=headers) as answer:
        assert answer.status == 413


async def test_an_unknown_path_is_explained(gateway: Gateway) -> None:
    status, error = await post(gateway, "/v1/completion", b"{}")
    assert (status, error["code"]) == (404, "not_found")
    assert "URL" in error["message"]


async def test_a_wrong_method_names_the_right_one(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}{URL}", headers=gateway.auth) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
        error = (await answer.json())["error"]
    assert error["code"] == "invalid_request_error"
    assert "POST" in error["message"]


@pytest.mark.parametrize("path", ["/v1/auth/wechat", "/v1/auth/refresh"])
@pytest.mark.parametrize("raw", [b"", b"{}", b'{"code":1,"refresh_token":1}', b'{"code":"","x":1}', b"[1]"])
async def test_bad_bodies_of_a_login_are_explained(gateway: Gateway, path: str, raw: bytes) -> None:
    status, error = await post(gateway, path, raw)
    assert (status, error["code"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/me", "/v1/models", "/v1/models/x", "/v1/orders", "/v1/orders/x", "/v1/packages", "/v1/prices",
        "/v1/usage", "/v1/wallet", "/v1/wallet/receipts/x", "/v1/wallet/transactions",
    ],
)  # fmt: skip
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer sk-qq-é", "Bearer a b"])
async def test_every_route_wants_a_token(gateway: Gateway, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with gateway.http.get(f"{gateway.url}{path}", headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert (await answer.json())["error"]["code"] == "invalid_api_key"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["messages", "model", "max_tokens", "temperature", "stop", "stream_options", "seed", "tools"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=5).map(lambda value: json.dumps(value).encode())
)
async def test_garbage_is_never_our_fault(gateway: Gateway, body: bytes) -> None:
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/json", **gateway.auth}
        async with http.post(f"{gateway.url}{URL}", data=body, headers=headers) as answer:
            assert answer.status in (200, 400)
