"""Streams that are gone on with: what the client has already is not sent again, and nobody sees another's."""

from typing import Any

import pytest
from queqiao.chat.v1 import chat_pb2

from services.runtime.errors import Code, RemoteError
from tests.integration.gateway.conftest import Gateway
from tests.sent_events import SentEvent, sent_events

BODY = {"messages": [{"role": "user", "content": "你好"}], "stream": True, "stream_options": {"include_usage": True}}


async def ask(gateway: Gateway, body: dict[str, Any] | None = None, **headers: str) -> tuple[str, list[SentEvent]]:
    """A turn's id and its events."""
    url = f"{gateway.url}/v1/chat/completions"
    async with gateway.http.post(url, json=BODY | (body or {}), headers=gateway.auth | headers) as answer:
        assert answer.status == 200
        return answer.headers["X-Request-Id"], sent_events(await answer.text())


async def resume(
    gateway: Gateway, request_id: str, last: str = "", query: str = "?include_usage=true", **headers: str
) -> list[SentEvent]:
    sent = gateway.auth | ({"Last-Event-ID": last} if last else {}) | headers
    async with gateway.http.get(f"{gateway.url}/v1/chat/streams/{request_id}{query}", headers=sent) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["X-Request-Id"] == request_id
        return sent_events(await answer.text())


async def test_behind_every_event_the_stream_goes_on_with_the_very_next(gateway: Gateway) -> None:
    gateway.chat.script = ["牛郎", chat_pb2.TurnDelta(reasoning="想"), "织女"]
    request_id, whole = await ask(gateway)
    assert await resume(gateway, request_id) == whole
    for index, event in enumerate(whole):
        assert await resume(gateway, request_id, event.id) == whole[index + 1 :]
    assert await resume(gateway, request_id, query=f"?include_usage=true&after={whole[1].id}") == whole[2:]


async def test_ids_are_positions_so_a_stream_without_the_usage_has_them_too(gateway: Gateway) -> None:
    request_id, whole = await ask(gateway, {"stream_options": {}})
    assert [event.id for event in whole] == ["0", "2", "5", "5.1", "5.2"]
    assert await resume(gateway, request_id, "5", query="") == whole[3:]


@pytest.mark.parametrize("last", ["x", "-1", "1.", "1e3", "9" * 20])
async def test_an_id_that_is_none_of_ours_is_explained(gateway: Gateway, last: str) -> None:
    request_id, _ = await ask(gateway)
    url = f"{gateway.url}/v1/chat/streams/{request_id}"
    for headers, query, name in (({"Last-Event-ID": last}, "", "Last-Event-ID"), ({}, f"?after={last}", "after")):
        async with gateway.http.get(url + query, headers=gateway.auth | headers) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["param"]) == (400, name)


async def test_a_turn_of_somebody_else_and_one_that_never_was_look_the_same(gateway: Gateway) -> None:
    request_id, _ = await ask(gateway)
    gateway.chat.known = {("somebody-else", request_id)}
    answers = []
    for unknown in (request_id, "req_" + "0" * 32):
        async with gateway.http.get(f"{gateway.url}/v1/chat/streams/{unknown}", headers=gateway.auth) as answer:
            answers.append((answer.status, await answer.json()))
        async with gateway.http.delete(f"{gateway.url}/v1/chat/streams/{unknown}", headers=gateway.auth) as answer:
            answers.append((answer.status, await answer.json()))
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_without_a_key_nothing_is_told(gateway: Gateway, method: str) -> None:
    async with gateway.http.request(method, f"{gateway.url}/v1/chat/streams/req_1") as answer:
        assert answer.status == 401


async def test_stopping_says_whether_there_was_something_to_stop(gateway: Gateway) -> None:
    request_id, _ = await ask(gateway)
    for running in (True, False):
        async with gateway.http.delete(f"{gateway.url}/v1/chat/streams/{request_id}", headers=gateway.auth) as answer:
            assert await answer.json() == {"id": request_id, "object": "chat.stream", "cancelled": running}
    assert gateway.chat.stopped == [request_id] * 2


async def test_the_same_key_of_the_same_person_names_the_same_turn(gateway: Gateway) -> None:
    first, _ = await ask(gateway, None, **{"Idempotency-Key": "a key"[:1]})
    again, _ = await ask(gateway, None, **{"Idempotency-Key": "a"})
    other, _ = await ask(gateway, None, **{"Idempotency-Key": "b"})
    none, _ = await ask(gateway)
    assert first == again
    assert len({first, other, none}) == 3
    assert [request.request_id for request in gateway.chat.requests] == [first, again, other, none]
    assert all(len(request.request_id) <= 60 for request in gateway.chat.requests)


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256])
async def test_a_key_that_is_none_is_explained(gateway: Gateway, key: str) -> None:
    headers = gateway.auth | {"Idempotency-Key": key}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "Idempotency-Key")


async def test_a_replay_says_that_it_is_one(gateway: Gateway) -> None:
    gateway.chat.replayed = True
    url, headers = f"{gateway.url}/v1/chat/completions", gateway.auth | {"Idempotency-Key": "a"}
    for stream in (True, False):
        async with gateway.http.post(url, json=BODY | {"stream": stream}, headers=headers) as answer:
            assert answer.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "headers", "cancels"),
    [
        ({}, {}, False),
        ({"on_disconnect": "cancel"}, {}, True),
        # Who cannot ask for it again has nothing to come back to.
        ({"stream": False}, {}, True),
        ({"stream": False}, {"Idempotency-Key": "a"}, False),
        ({"stream": False, "on_disconnect": "cancel"}, {"Idempotency-Key": "a"}, True),
    ],
)
async def test_what_becomes_of_a_turn_whose_client_leaves_is_the_clients_choice(
    gateway: Gateway, body: dict[str, Any], headers: dict[str, str], cancels: bool
) -> None:
    url = f"{gateway.url}/v1/chat/completions"
    async with gateway.http.post(url, json=BODY | body, headers=gateway.auth | headers) as answer:
        await answer.read()
    assert gateway.chat.requests[0].cancel_on_disconnect is cancels


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ("", chat_pb2.CACHE_POLICY_UNSPECIFIED),
        ("max-age=0", chat_pb2.CACHE_POLICY_UNSPECIFIED),
        ("no-cache", chat_pb2.CACHE_POLICY_REFRESH),
        ("no-cache, No-Store", chat_pb2.CACHE_POLICY_NO_STORE),
    ],
)
async def test_what_a_request_says_about_caching_is_passed_on(
    gateway: Gateway, said: str, policy: "chat_pb2.CachePolicy.ValueType"
) -> None:
    await ask(gateway, None, **{"Cache-Control": said})
    assert gateway.chat.requests[0].cache == policy


async def test_a_cached_answer_is_marked(gateway: Gateway) -> None:
    gateway.chat.cached = True
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=gateway.auth) as answer:
        assert answer.headers["X-Cache"] == "hit"


async def test_another_model_that_takes_over_is_named_from_then_on(gateway: Gateway) -> None:
    gateway.chat.script = [chat_pb2.TurnStarted(model="another"), "好"]
    _, whole = await ask(gateway)
    models = [event.json["model"] for event in whole[:-1]]
    assert models == ["fake-model", "another", "another", "another"]


async def test_an_error_within_a_resumed_stream_is_its_last_event(gateway: Gateway) -> None:
    request_id, _ = await ask(gateway)
    lost = RemoteError(Code.UNAVAILABLE, "TURN_LOST", "the replica that wrote it is gone")
    gateway.chat.script = ["好", lost]
    *_, last = await resume(gateway, request_id)
    assert (last.id, last.json["error"]["code"]) == ("", "service_unavailable")
