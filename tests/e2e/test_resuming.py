"""Streams that survive: left in a tunnel, found again, retried, stopped, and paid for once."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User

pytestmark = pytest.mark.xdist_group("mesh")

SLOW = "[[sim text=一|二|三|四|五|六|七|八 interval_ms=60]]"
WHOLE = "一二三四五六七八"


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """Each event's id and data."""
    event_id = ""
    async for line in answer.content:
        if line.startswith(b"id:"):
            event_id = line[3:].strip().decode()
        elif line.startswith(b"data:"):
            yield event_id, line[5:].strip().decode()


def text_of(data: str) -> str:
    if data == "[DONE]":
        return ""
    return "".join(choice["delta"].get("content") or "" for choice in json.loads(data).get("choices", ()))


async def read(answer: aiohttp.ClientResponse, count: int | None = None) -> tuple[str, list[str], str]:
    """The text, every event's data and the last id, of so many events or of all."""
    text, seen, last = "", [], ""
    async for event_id, data in events(answer):
        text += text_of(data)
        seen.append(data)
        last = event_id
        if len(seen) == count:
            break
    return text, seen, last


async def leave(user: User, question: str, count: int, **more: object) -> tuple[str, str, str]:
    """Ask, read so many events or all, and leave; answers the turn's id, the text so far and the last event's id."""
    async with user.ask(question, stream=True, **more) as answer:
        assert answer.status == 200, await answer.text()
        text, _, last = await read(answer, count)
        request_id = answer.headers["X-Request-Id"]
        answer.close()
    return request_id, text, last


def resume(user: User, request_id: str, last: str, url: str = "") -> "aiohttp.client._RequestContextManager":
    headers = {"Last-Event-ID": last} if last else {}
    return user.http.get(f"{url or user.url}/v1/chat/streams/{request_id}", headers=headers)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_client_that_lost_the_stream_goes_on_where_it_was_and_pays_once(user: User, count: int) -> None:
    before = await user.settled_balance()
    async with user.ask(SLOW, stream=True) as answer:
        assert (await read(answer))[0] == WHOLE
    price = before - await user.settled_balance()
    request_id, text, last = await leave(user, SLOW, count)
    async with resume(user, request_id, last) as answer:
        assert answer.status == 200, await answer.text()
        rest, seen, _ = await read(answer)
    assert text + rest == WHOLE
    assert seen[-1:] == ["[DONE]"]
    assert before - price - await user.settled_balance() == price


async def test_a_stream_that_is_over_is_given_again_from_any_event_of_it(user: User) -> None:
    question = f"[[sim text=鹊|桥|相|会]] {secrets.token_hex(4)}"
    async with user.ask(question, stream=True, stream_options={"include_usage": True}) as answer:
        request_id = answer.headers["X-Request-Id"]
        whole = [event async for event in events(answer)]
    balance = await user.settled_balance()
    for index, (last, _) in enumerate(whole):
        async with user.http.get(
            f"{user.url}/v1/chat/streams/{request_id}",
            headers={"Last-Event-ID": last},
            params={"include_usage": "true"},
        ) as answer:
            rest = [data async for _, data in events(answer)]
        missing = [data for _, data in whole[index + 1 :]]
        assert "".join(map(text_of, rest)) == "".join(map(text_of, missing))
        assert [data for data in rest if not text_of(data)] == [data for data in missing if not text_of(data)]
    assert await user.settled_balance() == balance


async def test_nobody_resumes_or_stops_what_is_not_theirs(people: People) -> None:
    mine, theirs = await people.login(), await people.login()
    request_id, _, last = await leave(mine, SLOW, 3)
    for unknown in (request_id, "0" * 32):
        async with resume(theirs, unknown, last) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
        async with theirs.http.delete(f"{theirs.url}/v1/chat/streams/{unknown}") as answer:
            assert answer.status == 404


async def test_a_turn_that_nobody_comes_back_to_stops_after_its_grace_and_charges_what_was_written(
    user: User, simulator: SimulatorProcess
) -> None:
    before = await user.settled_balance()
    left_at = time.time()
    request_id, _, last = await leave(user, "[[sim deltas=500 interval_ms=20]]", 3, max_tokens=1000)
    request: dict[str, Any] = {}
    while time.time() < left_at + 8 and not request.get("cancelled"):
        seen: Any = (await simulator.stats())["requests"]
        request = next(each for each in reversed(seen) if each["deltas_sent"] > 0)
        await asyncio.sleep(0.05)
    assert request["cancelled"]
    assert 1.0 < request["finished_at"] - left_at < 4.0
    assert before - await user.settled_balance() > 0
    async with resume(user, request_id, last) as answer:
        _, seen_events, _ = await read(answer)
    assert json.loads(seen_events[-2])["choices"][0]["finish_reason"] == "cancelled"


async def test_a_stopped_turn_stops_the_model_within_a_second(user: User, simulator: SimulatorProcess) -> None:
    async with user.ask("[[sim deltas=500 interval_ms=20]]", stream=True, max_tokens=1000) as answer:
        await read(answer, 3)
        stopped_at = time.time()
        async with user.http.delete(f"{user.url}/v1/chat/streams/{answer.headers['X-Request-Id']}") as stopped:
            assert (stopped.status, (await stopped.json())["cancelled"]) == (200, True)
        _, rest, _ = await read(answer)
    assert rest[-1] == "[DONE]"
    requests: Any = (await simulator.stats())["requests"]
    request = next(each for each in reversed(requests) if each["deltas_sent"] > 0)
    assert request["cancelled"]
    assert request["finished_at"] - stopped_at < 1.0


def keyed(user: User, question: str, key: str, **more: object) -> "aiohttp.client._RequestContextManager":
    body = {"model": "simulated", "messages": [{"role": "user", "content": question}], **more}
    return user.http.post(f"{user.url}/v1/chat/completions", json=body, headers={"Idempotency-Key": key})


async def test_a_retry_joins_the_running_turn_or_replays_the_finished_one_and_pays_nothing(user: User) -> None:
    key = secrets.token_hex(8)
    async with keyed(user, SLOW, key, stream=True) as answer:
        await read(answer, 3)
        async with keyed(user, SLOW, key, stream=True) as retry:
            assert retry.headers["Idempotent-Replayed"] == "true"
            assert retry.headers["X-Request-Id"] == answer.headers["X-Request-Id"]
            assert (await read(retry))[0] == WHOLE
    paid = await user.settled_balance()
    for _ in range(2):
        async with keyed(user, SLOW, key, stream=True) as again:
            assert (await read(again))[0] == WHOLE
    assert await user.settled_balance() == paid


async def test_the_same_key_for_another_question_is_a_conflict(user: User) -> None:
    key = secrets.token_hex(8)
    async with keyed(user, "[[sim text=好]]", key) as answer:
        assert answer.status == 200
    async with keyed(user, "[[sim text=坏]]", key) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (409, "idempotency_conflict")


async def test_a_retry_of_what_failed_for_free_asks_again(user: User) -> None:
    key = secrets.token_hex(8)
    for _ in range(2):
        async with keyed(user, "[[sim status=500]]", key) as answer:
            assert answer.status == 502
            assert "Idempotent-Replayed" not in answer.headers


async def test_the_replica_that_writes_dies_and_the_client_ends_on_another_marked_and_charged_exactly(
    mesh: Mesh, user: User
) -> None:
    doomed_chat = await mesh.replica("chat", "chat-doomed")
    doomed_gateway = await mesh.replica("gateway", "gateway-doomed", CHAT_TARGET=doomed_chat)
    before = await user.settled_balance()
    body = {"model": "simulated", "stream": True, "max_tokens": 2000}
    body |= {"messages": [{"role": "user", "content": "[[sim deltas=1000 interval_ms=20]]"}]}
    async with user.http.post(f"{doomed_gateway}/v1/chat/completions", json=body) as answer:
        text, _, last = await read(answer, 40)
        mesh.process("chat-doomed").kill()
        request_id = answer.headers["X-Request-Id"]
        assert '"error"' in (await answer.text())
    async with asyncio.timeout(30), resume(user, request_id, last) as answer:
        rest, seen, _ = await read(answer)
    end = json.loads(seen[-1])
    assert end["error"]["code"] == "service_unavailable"
    charged = before - await user.settled_balance()
    async with user.http.get(f"{user.url}/v1/wallet/receipts/{request_id}") as answer:
        receipt = await answer.json()
    assert receipt["charged_micros"] == charged > 0
    assert receipt["usage"]["output_tokens"] <= len(text + rest)


async def test_a_turn_that_runs_on_one_replica_is_resumed_and_stopped_from_another(mesh: Mesh, user: User) -> None:
    chat = await mesh.replica("chat", "chat-second")
    gateway = await mesh.replica("gateway", "gateway-second", CHAT_TARGET=chat)
    request_id, text, last = await leave(user, SLOW, 3)
    async with resume(user, request_id, last, gateway) as answer:
        rest, _, _ = await read(answer)
    assert text + rest == WHOLE
    request_id, _, last = await leave(user, "[[sim deltas=500 interval_ms=20]]", 3, max_tokens=1000)
    async with resume(user, request_id, last, gateway) as answer:
        # Longer than the grace: it is followed, so it goes on.
        async with asyncio.timeout(3):
            await read(answer, 3)
        await asyncio.sleep(2)
        await read(answer, 3)
        async with user.http.delete(f"{gateway}/v1/chat/streams/{request_id}") as stopped:
            assert (await stopped.json())["cancelled"]
        _, seen, _ = await read(answer)
    assert seen[-1] == "[DONE]"
