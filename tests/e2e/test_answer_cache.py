"""The answer cache through the whole mesh: one call for a hundred, marked, cheap, and never for what is personal."""

import asyncio
import secrets
from typing import Any

import aiohttp
import pytest

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User

pytestmark = pytest.mark.xdist_group("mesh")


def fresh(directive: str = "text=鹊|桥|相|会") -> str:
    """A question that nobody has asked before."""
    return f"[[sim {directive}]] {secrets.token_hex(8)}"


def post(
    user: User, question: str, headers: dict[str, str] | None = None, **more: object
) -> "aiohttp.client._RequestContextManager":
    """Ask whoever answers, as `user.ask` asks the model."""
    body = {"model": "simulated", "messages": [{"role": "user", "content": question}], **more}
    return user.http.post(f"{user.url}/v1/chat/completions", json=body, headers=headers)


async def ask(user: User, question: str, headers: dict[str, str] | None = None, **more: object) -> tuple[str, str]:
    """The answer, and whether the cache gave it."""
    async with post(user, question, headers, **more) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["choices"][0]["message"]["content"], answer.headers["X-Cache"]


async def usage(user: User, question: str) -> tuple[dict[str, Any], int]:
    """What the answer says it used, and what it says that it was charged, in micro-yuan."""
    async with post(user, question) as answer:
        return (await answer.json())["usage"], int(answer.headers["X-Charged-Micro-Yuan"])


async def calls(simulator: SimulatorProcess) -> int:
    stats: Any = await simulator.stats()
    return int(stats["started"])


async def test_a_hundred_people_who_ask_the_same_cost_one_call_of_the_model(
    people: People, simulator: SimulatorProcess
) -> None:
    users = [await people.login() for _ in range(25)]
    question, before = fresh("text=鹊|桥|相|会 first_ms=600 interval_ms=50"), await calls(simulator)
    answers = await asyncio.gather(*(ask(user, question) for user in users for _ in range(4)))
    assert {text for text, _ in answers} == {"鹊桥相会"}
    assert sorted(cache for _, cache in answers) == ["hit"] * 99 + ["miss"]
    assert await calls(simulator) - before == 1


async def test_an_answer_is_given_again_to_anybody_for_the_price_of_its_question(
    people: People, simulator: SimulatorProcess
) -> None:
    first, second, question = await people.login(), await people.login(), fresh()
    balances = [await first.settled_balance(), await second.settled_balance()]
    assert await ask(first, question) == ("鹊桥相会", "miss")
    before = await calls(simulator)
    assert await ask(second, f"  {question} ") == ("鹊桥相会", "hit")
    assert await calls(simulator) == before
    paid = [balances[0] - await first.settled_balance(), balances[1] - await second.settled_balance()]
    assert 0 < paid[1] < paid[0]


async def test_whoever_says_no_store_asks_the_model_and_leaves_nothing(user: User) -> None:
    question = fresh()
    assert (await ask(user, question, {"Cache-Control": "no-store"}))[1] == "miss"
    assert (await ask(user, question))[1] == "miss"
    assert (await ask(user, question, {"Cache-Control": "no-cache"}))[1] == "miss"
    assert (await ask(user, question))[1] == "hit"


async def test_a_question_with_a_history_is_nobody_elses(user: User) -> None:
    question, conversation = fresh(), f"c-{secrets.token_hex(8)}"
    assert (await ask(user, fresh(), conversation_id=conversation))[1] == "miss"
    assert (await ask(user, question, conversation_id=conversation))[1] == "miss"
    assert (await ask(user, question, conversation_id=conversation))[1] == "miss"
    assert (await ask(user, question))[1] == "miss"


async def test_a_question_that_moderation_refuses_is_not_answered_from_the_cache(user: User) -> None:
    question = f"鹊桥违禁词示例 {fresh()}"
    for _ in range(2):
        async with post(user, question) as answer:
            assert answer.status == 403


async def test_a_hit_is_streamed_and_remembered_like_any_answer(user: User) -> None:
    question, conversation = fresh(), f"c-{secrets.token_hex(8)}"
    await ask(user, question)
    async with post(user, question, stream=True, conversation_id=conversation) as answer:
        assert answer.headers["X-Cache"] == "hit"
        text = await answer.text()
    assert text.count("chat.completion.chunk") >= 3
    assert text.rstrip().endswith("data: [DONE]")
    heard, _ = await ask(user, "[[sim echo]]", conversation_id=conversation)
    assert "鹊桥相会" in heard


async def test_how_often_the_cache_answers_and_what_it_saves_can_be_read(mesh: Mesh, user: User) -> None:
    question = fresh()
    await ask(user, question)
    await ask(user, question)
    url = f"http://127.0.0.1:{mesh.env['CHAT_METRICS_PORT']}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as metrics:
        lines = (await metrics.text()).splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if line.startswith("queqiao_answer_cache"))
    assert float(figures['queqiao_answer_cache_lookups_total{found="process"}']) > 0
    assert float(figures["queqiao_answer_cache_saved_micro_yuan_total"]) > 0


async def test_a_hit_tells_what_its_answer_used_and_the_header_what_it_cost(people: People) -> None:
    first, second, question = await people.login(), await people.login(), fresh("text=鹊|桥|相|会 cached_tokens=1")
    told, full_price = await usage(first, question)
    again, price = await usage(second, question)
    assert again == told
    assert told["completion_tokens"] == 4
    assert 0 < price < full_price
