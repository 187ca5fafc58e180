"""Turns over a WebSocket."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from services.runtime.errors import Code, RemoteError
from tests.fakes.chat import MODEL
from tests.integration.gateway.conftest import Gateway, StartGateway

BODY = {"messages": [{"role": "user", "content": "你好"}]}


class Client:
    """Speaks frames."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **frame: Any) -> None:
        await self.socket.send_str(json.dumps(frame))

    async def hear(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def hear_until(self, kind: str, turn: str | None = None) -> list[dict[str, Any]]:
        """Every frame to the first of this type, of this turn if it is named."""
        heard = [await self.hear()]
        while heard[-1]["type"] != kind or (turn is not None and heard[-1]["id"] != turn):
            heard.append(await self.hear())
        return heard

    async def close_code(self) -> int | None:
        while (await self.socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        return self.socket.close_code


def connect(gateway: Gateway, path: str = "/v1/ws", **options: Any) -> Any:
    return gateway.http.ws_connect(f"{gateway.url}{path}", **options)


async def test_a_turn_is_started_streamed_and_accounted_for(gateway: Gateway) -> None:
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token=gateway.key, body=BODY | {"conversation_id": "talk"})
        started, *deltas, usage, completed = await client.hear_until("completed")
    assert (started["type"], started["id"], started["model"]) == ("started", "t1", MODEL)
    assert started["conversation_id"] == "talk"
    assert "".join(each["text"] for each in deltas) == "你好，世界"
    assert usage["usage"]["total_tokens"] == usage["usage"]["prompt_tokens"] + usage["usage"]["completion_tokens"]
    assert completed["finish_reason"] == "stop"
    assert completed["conversation"]["id"] == "talk"
    assert gateway.chat.requests[0].user_id == gateway.user_id


async def test_many_turns_share_a_socket_and_one_that_fails_leaves_the_others(gateway: Gateway) -> None:
    gateway.chat.script = ["一", 0.05, "二"]
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="auth", token=gateway.key)
        assert (await client.hear())["user"]["id"] == gateway.user_id
        for turn in ("a", "b"):
            await client.say(type="start", id=turn, body=BODY)
        await client.say(type="start", id="c", body={"messages": []})
        heard = [await client.hear() for _ in range(12 - 1)]
    ends = {frame["id"]: frame for frame in heard if frame["type"] in ("completed", "error")}
    assert {turn: end["type"] for turn, end in ends.items()} == {"a": "completed", "b": "completed", "c": "error"}
    assert ends["c"]["error"]["code"] == "invalid_request_error"
    for turn in ("a", "b"):
        assert "".join(each.get("text", "") for each in heard if each["id"] == turn) == "一二"


async def test_a_turn_is_resumed_behind_the_last_event_that_came(gateway: Gateway) -> None:
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token=gateway.key, body=BODY)
        started, first, *_ = await client.hear_until("completed")
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(
            type="resume",
            id="t2",
            token=gateway.key,
            request_id=started["request_id"],
            last_event_id=first["event_id"],
        )
        resumed = await client.hear_until("completed")
    assert "".join(each.get("text", "") for each in resumed) == "，世界"
    assert gateway.chat.resumes[0].after == int(first["event_id"])


async def test_a_running_turn_is_cancelled_by_name(gateway: Gateway) -> None:
    gateway.chat.script = ["好", 30.0]
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token=gateway.key, body=BODY)
        started = (await client.hear_until("delta"))[0]
        await client.say(type="cancel", id="t1")
        await client.say(type="ping")
        await client.hear_until("pong")
    assert gateway.chat.stopped == [started["request_id"]]


async def test_a_turn_that_waits_is_told_its_position_and_can_leave(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turns_max=1)
    gateway.chat.script = ["好", 30.0]
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token=gateway.key, body=BODY)
        await client.hear_until("delta")
        await client.say(type="start", id="t2", body=BODY)
        assert await client.hear() == {"type": "queue", "id": "t2", "position": 1}
        await client.say(type="cancel", id="t2")
        assert (await client.hear_until("completed", "t2"))[-1]["finish_reason"] == "cancelled"
    assert len(gateway.chat.requests) == 1


async def test_a_client_that_leaves_takes_its_turns_along(gateway: Gateway) -> None:
    gateway.chat.script = ["好", 30.0]
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token=gateway.key, body=BODY)
        await client.hear_until("delta")
    await asyncio.wait_for(gateway.chat.cancelled.wait(), 2)


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ({"type": "dance"}, "type"),
        ({"type": "start", "id": "t1"}, "body"),
        ({"type": "start", "id": "a b", "body": {}}, "id"),
        ({"type": "start", "id": "t1", "body": {}, "model": "x"}, "model"),
        ({"type": "resume", "id": "t1", "request_id": "/"}, "request_id"),
        ({"type": "resume", "id": "t1", "request_id": "req_1", "last_event_id": "x"}, "last_event_id"),
        ({"type": "cancel", "id": "t1"}, "id"),
        ({"type": "auth"}, "token"),
    ],
)
async def test_a_bad_frame_is_explained_and_the_socket_stays(
    gateway: Gateway, frame: dict[str, Any], param: str
) -> None:
    async with connect(gateway, headers={"Accept-Language": "en"}) as socket:
        client = Client(socket)
        await client.say(type="auth", token=gateway.key)
        await client.hear()
        await client.say(**frame)
        error = await client.hear()
        assert (error["type"], error["error"]["param"]) == ("error", param)
        assert error["error"]["message"].isascii()
        await client.say(type="ping")
        assert await client.hear() == {"type": "pong"}


async def test_whoever_sends_nothing_but_nonsense_is_shown_out(gateway: Gateway) -> None:
    async with connect(gateway) as socket:
        for _ in range(20):
            await socket.send_str("{")
        assert await Client(socket).close_code() == 1008


async def test_binary_frames_are_not_spoken(gateway: Gateway) -> None:
    async with connect(gateway) as socket:
        await socket.send_bytes(b"\x00")
        assert await Client(socket).close_code() == 1003


async def test_a_wrong_token_ends_the_socket_with_a_sentence(gateway: Gateway) -> None:
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token="sk-qq-wrong", body=BODY)
        assert (await client.hear())["error"]["code"] == "invalid_api_key"
        assert await client.close_code() == 1008


async def test_a_wrong_token_as_a_subprotocol_ends_the_socket_with_a_sentence(gateway: Gateway) -> None:
    async with connect(gateway, protocols=["queqiao.v1", "bearer.sk-qq-wrong"]) as socket:
        client = Client(socket)
        error = await client.hear()
        assert (error["type"], error["id"], error["error"]["code"]) == ("error", None, "invalid_api_key")
        assert error["error"]["message"]
        assert await client.close_code() == 1008


async def test_a_turn_counts_once_against_the_rate_limit_however_its_token_comes(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit_key_per_minute=2)
    async with connect(gateway, protocols=["queqiao.v1", f"bearer.{gateway.key}"]) as socket:
        client = Client(socket)
        await client.say(type="auth", token=gateway.key)
        await client.hear()
        await client.say(type="start", id="t1", token=gateway.key, body=BODY)
        started = (await client.hear_until("completed"))[0]
        await client.say(type="resume", id="t2", token=gateway.key, request_id=started["request_id"])
        await client.hear_until("completed")
        await client.say(type="start", id="t3", token=gateway.key, body=BODY)
        refused = await client.hear()
    assert (refused["type"], refused["id"], refused["error"]["code"]) == ("error", "t3", "rate_limit_exceeded")
    assert refused["retry_after_s"] > 0


async def test_a_turn_without_a_token_ends_the_socket(gateway: Gateway) -> None:
    async with connect(gateway) as socket:
        await Client(socket).say(type="start", id="t1", body=BODY)
        assert await Client(socket).close_code() == 1008


async def test_the_token_may_come_as_a_subprotocol_and_never_in_the_url(gateway: Gateway) -> None:
    async with connect(gateway, protocols=["queqiao.v1", f"bearer.{gateway.key}"]) as socket:
        assert socket.protocol == "queqiao.v1"
        client = Client(socket)
        await client.say(type="start", id="t1", body=BODY)
        await client.hear_until("completed")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connect(gateway, f"/v1/ws?token={gateway.key}")
    assert caught.value.status == 403


async def test_a_user_has_so_many_sockets_and_a_socket_so_many_turns(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(sockets_per_user_max=1)
    gateway.chat.script = [30.0]
    async with connect(gateway) as first, connect(gateway) as second:
        one, two = Client(first), Client(second)
        await one.say(type="auth", token=gateway.key)
        await one.hear()
        await two.say(type="auth", token=gateway.key)
        assert (await two.hear())["error"]["code"] == "rate_limit_exceeded"
        for number in range(9):
            await one.say(type="start", id=f"t{number}", body=BODY)
        refused = (await one.hear_until("error"))[-1]
        assert refused["error"]["code"] == "rate_limit_exceeded"
        await one.say(type="start", id="t0", body=BODY)
        assert (await one.hear_until("error"))[-1]["error"]["param"] == "id"


async def test_a_socket_that_says_nothing_is_closed(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.chat.socket_routes._AUTH_S", 0.05)
    async with connect(gateway) as socket:
        assert await Client(socket).close_code() == 1008


async def test_a_turn_that_breaks_off_says_so_behind_its_text(gateway: Gateway) -> None:
    gateway.chat.script = ["好", RemoteError(Code.UNAVAILABLE, "UPSTREAM_ERROR", "x")]
    async with connect(gateway) as socket:
        client = Client(socket)
        await client.say(type="start", id="t1", token=gateway.key, body=BODY)
        heard = await client.hear_until("error")
    assert [frame["type"] for frame in heard] == ["started", "delta", "error"]
    assert heard[-1]["error"]["code"] == "upstream_error"


async def test_a_socket_without_a_path_is_refused(gateway: Gateway) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connect(gateway, "/v1/nothing")
    assert caught.value.status == 403


async def test_a_frame_that_is_too_large_ends_the_socket(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(body_bytes_max=1024)
    async with connect(gateway) as socket:
        await socket.send_str("x" * 2000)
        assert await Client(socket).close_code() == 1009


async def test_whoever_sends_frames_without_end_waits(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.chat.socket._FRAMES_AT_ONCE", 3)
    async with connect(gateway) as socket:
        client = Client(socket)
        begin = time.perf_counter()
        for _ in range(6):
            await client.say(type="ping")
            await client.hear()
        assert 0.2 < time.perf_counter() - begin < 2
