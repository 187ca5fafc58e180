"""What clients and pages may expect of HTTP itself."""

import asyncio
import gzip
import json
import time
import zlib

import pytest

from services.gateway.edge import body, protocol
from tests.integration.gateway.conftest import Gateway, StartGateway

PAGE = "https://chat.example.com"
BODY = json.dumps({"messages": [{"role": "user", "content": "你好"}]}).encode()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY)), ("identity", BODY)],
    ids=["gzip", "deflate", "identity"],
)
async def test_a_packed_body_is_read(gateway: Gateway, coding: str, packed: bytes) -> None:
    headers = {"Content-Encoding": coding}
    status, answer = await gateway.post("/v1/chat/completions", packed, **headers)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "你好，世界")


async def test_a_bomb_is_too_large(gateway: Gateway) -> None:
    bomb = gzip.compress(b" " * (gateway.settings.body_bytes_max + 1))
    assert len(bomb) < 10_000
    status, refused = await gateway.post("/v1/chat/completions", bomb, **{"Content-Encoding": "gzip"})
    assert (status, refused["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    "broken",
    [b"not gzip", gzip.compress(BODY)[:-4], gzip.compress(BODY) + b"more"],
    ids=["something else", "cut short", "with more behind"],
)
async def test_a_body_that_is_not_packed_as_it_says_is_explained(gateway: Gateway, broken: bytes) -> None:
    status, refused = await gateway.post("/v1/chat/completions", broken, **{"Content-Encoding": "gzip"})
    assert status == 400
    assert "gzip" in refused["error"]["message"]


async def test_another_coding_is_named(gateway: Gateway) -> None:
    status, refused = await gateway.post("/v1/chat/completions", b"x", **{"Content-Encoding": "br"})
    assert status == 415
    assert "br" in refused["error"]["message"]


async def test_a_slash_behind_a_path_and_head_change_nothing(gateway: Gateway) -> None:
    assert (await gateway.get("/v1/models/"))[0] == 200
    assert (await gateway.post("/v1/chat/completions/", BODY))[0] == 200
    async with gateway.http.head(f"{gateway.url}/v1/models", headers=gateway.auth) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with gateway.http.head(f"{gateway.url}/v1/chat/streams/req_1", headers=gateway.auth) as answer:
        assert answer.status == 405


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/responses", "/v1/audio/speech", "/v1/files/file-1/content"])
async def test_what_openai_has_and_we_have_not_is_said(gateway: Gateway, path: str) -> None:
    status, refused = await gateway.post(path, {})
    assert (status, refused["error"]["code"]) == (404, "not_found")
    assert path in refused["error"]["message"]


async def test_pages_of_allowed_origins_may_ask_and_read(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(cors_origins=(PAGE,))
    url = f"{gateway.url}/v1/chat/completions"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-stainless-os"}
    async with gateway.http.options(url, headers=asked | {"Origin": PAGE}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert "x-stainless-os" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    headers = gateway.auth | {"Origin": PAGE, "Content-Type": "application/json"}
    async with gateway.http.post(url, data=BODY, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]


async def test_other_pages_are_told_nothing(gateway: Gateway, start_gateway: StartGateway) -> None:
    strict = await start_gateway(cors_origins=(PAGE,))
    for asked in (gateway, strict):
        headers = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
        async with asked.http.options(f"{asked.url}/v1/chat/completions", headers=headers) as answer:
            assert answer.status == 405
            assert not any(name.lower().startswith("access-control") for name in answer.headers)


async def raw(gateway: Gateway, *pieces: bytes, pause_s: float = 0) -> bytes:
    """Send bytes to the port; answers all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause_s)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_headers_that_come_too_slowly_are_cut(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEADERS_S", 0.1)
    assert (await raw(gateway, b"G", b"E", b"T", pause_s=0.02)).startswith(b"HTTP/1.1 408")


async def test_so_are_those_of_the_second_request_of_a_connection(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_HEADERS_S", 0.1)
    answer = await raw(gateway, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /he", pause_s=0.05)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answer


async def test_headers_without_end_are_cut(gateway: Gateway) -> None:
    head = b"GET /healthz HTTP/1.1\r\n" + 5 * (b"x: " + b"y" * 8192 + b"\r\n")
    assert (await raw(gateway, head)).startswith(b"HTTP/1.1 431")


async def test_a_body_that_comes_too_slowly_is_cut_with_a_sentence(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "_FIRST_S", 0.1)
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + gateway.key.encode() + b"\r\nContent-Length: 1000\r\n\r\n"
    )
    answer = await raw(gateway, head + b"{")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"request_timeout"' in answer


async def test_the_rest_of_a_body_is_not_waited_for_without_end(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_REST_S", 0.3)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    begin = time.perf_counter()
    answer = await raw(gateway, head, b"{", b" ", pause_s=0.05)
    assert answer.startswith(b"HTTP/1.1 401")
    assert 0.25 < time.perf_counter() - begin < 3


async def test_a_body_that_comes_behind_its_answer_keeps_the_connection(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_REST_S", 0.3)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    again = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await raw(gateway, head, b"{}", b"", again, pause_s=0.2)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"HTTP/1.1 200" in answer
