"""Bad input on every public field: a 4xx that helps, nothing charged, nothing logged in clear."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.mesh import Mesh
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")

# Found in every bad request below, and nowhere in the logs afterwards.
MARKER = "PRIVATE-WORDS-4711"

HELLO = [{"role": "user", "content": MARKER}]

BODIES: dict[str, bytes | dict[str, Any]] = {
    "not JSON": f"{MARKER} {{".encode(),
    "empty": b"",
    "no object": json.dumps([MARKER]).encode(),
    "not UTF-8": b'{"model":"simulated","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "nested too deep": b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no messages": {"model": "simulated"},
    "empty messages": {"model": "simulated", "messages": []},
    "messages of the wrong type": {"model": "simulated", "messages": MARKER},
    "a message without a role": {"model": "simulated", "messages": [{"content": MARKER}]},
    "an unknown role": {"model": "simulated", "messages": [{"role": "king", "content": MARKER}]},
    "empty content": {"model": "simulated", "messages": [{"role": "user", "content": ""}]},
    "content of the wrong type": {"model": "simulated", "messages": [{"role": "user", "content": 7}]},
    "NUL in content": {"model": "simulated", "messages": [{"role": "user", "content": f"{MARKER}\x00"}]},
    "control characters": {"model": "simulated", "messages": [{"role": "user", "content": f"{MARKER}\x1b[2J"}]},
    "a lone surrogate": b'{"model":"simulated","messages":[{"role":"user","content":"\\ud800"}]}',
    "a negative max_tokens": {"model": "simulated", "messages": HELLO, "max_tokens": -1},
    "max_tokens of zero": {"model": "simulated", "messages": HELLO, "max_tokens": 0},
    "a huge max_tokens": {"model": "simulated", "messages": HELLO, "max_tokens": 2**70},
    "a fractional max_tokens": {"model": "simulated", "messages": HELLO, "max_tokens": 1.5},
    "a temperature out of range": {"model": "simulated", "messages": HELLO, "temperature": 9},
    "NaN": b'{"model":"simulated","messages":[{"role":"user","content":"hi"}],"temperature":NaN}',
    "stream of the wrong type": {"model": "simulated", "messages": HELLO, "stream": "yes"},
    "too many stops": {"model": "simulated", "messages": HELLO, "stop": ["a", "b", "c", "d", "e"]},
    "two answers": {"model": "simulated", "messages": HELLO, "n": 2},
    "a bad conversation_id": {"model": "simulated", "messages": HELLO, "conversation_id": "../etc"},
    "an unsupported parameter": {"model": "simulated", "messages": HELLO, "audio": {"voice": "x"}},
    "an unknown parameter": {"model": "simulated", "messages": HELLO, "tempreature": 1},
    "a huge history": {
        "model": "simulated",
        "messages": [{"role": "user", "content": "很久以前" * 5}] * 250 + [{"role": "user", "content": "长" * 60_000}],
    },
    "a million blanks": {"model": "simulated", "messages": [{"role": "user", "content": "x" + " " * 1_000_000}]},
    "nothing but an empty answer": {"model": "simulated", "messages": [{"role": "assistant", "content": ""}]},
    "too many messages": {"model": "simulated", "messages": HELLO * 300},
    "an unknown model": {"model": "gpt-0", "messages": HELLO},
    "a model of the wrong type": {"model": 4, "messages": HELLO},
    "ten megabytes": {"model": "simulated", "messages": [{"role": "user", "content": MARKER * 600_000}]},
}

EXPECTED = {"an unknown model": 404, "ten megabytes": 413}


def encoded(body: bytes | dict[str, Any]) -> io.BytesIO:
    return io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())


def log_lines(mesh: Mesh) -> Iterator[str]:
    for log in (mesh.state.folder / "logs").glob("*.log"):
        yield from log.read_text(encoding="utf-8", errors="replace").splitlines()


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_refused_with_a_sentence_and_costs_nothing(user: User, name: str) -> None:
    body = BODIES[name]
    data = encoded(body)
    headers = {"Content-Type": "application/json", "Accept-Language": "en"}
    async with user.http.post(f"{user.url}/v1/chat/completions", data=data, headers=headers) as answer:
        error = (await answer.json())["error"]
    assert answer.status == EXPECTED.get(name, 400), error
    assert set(error) == {"message", "type", "code", "param"}
    assert len(error["message"]) > 10
    assert MARKER not in error["message"]
    assert await user.wallet() == (1_000_000, 0)


async def test_what_people_write_is_in_no_log(user: User, mesh: Mesh) -> None:
    for body in BODIES.values():
        data = encoded(body)
        async with user.http.post(f"{user.url}/v1/chat/completions", data=data) as answer:
            await answer.read()
    async with user.ask(f"{MARKER} [[sim text=secret-answer-4711]]") as answer:
        assert answer.status == 200
    lines = list(log_lines(mesh))
    assert any('"route":"/v1/chat/completions"' in line for line in lines)
    leaks = [line for line in lines if MARKER in line or "secret-answer-4711" in line]
    secrets = [line for line in lines if user.token in line or mesh.api_key in line or "sk-upstream-secret" in line]
    assert (leaks, secrets) == ([], [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/models/x", 404),
    ],
)
async def test_a_wrong_address_is_told_in_the_same_shape(user: User, method: str, path: str, status: int) -> None:
    async with user.http.request(method, f"{user.url}{path}") as answer:
        error = (await answer.json())["error"]
    assert answer.status == status
    assert error["message"]


@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer x", "Basic abc", "Bearer " + "x" * 5000, "Bearer sk-qq-" + "0" * 40]
)
async def test_without_a_valid_key_nothing_is_told(mesh: Mesh, user: User, token: str) -> None:
    async with user.http.get(f"{mesh.url}/v1/me", headers={"Authorization": token}) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": 5}, {"code": "x" * 10_000}, {"code": "a\x00b"}, []])
async def test_a_bad_login_is_a_400(mesh: Mesh, user: User, body: object) -> None:
    async with user.http.post(f"{mesh.url}/v1/auth/wechat", json=body) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (400, "invalid_request_error")
