"""Whoever leaves for good stops the model, and pays what was produced."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.simulator_process import SimulatorProcess
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")


async def sighting(simulator: SimulatorProcess, marker: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The newest request that the provider saw and that fits."""
    requests: Any = (await simulator.stats())["requests"]
    return next(request for request in reversed(requests) if marker(request))


async def test_leaving_a_stream_that_nobody_will_come_back_to_cancels_the_model_within_a_second_and_charges_what_came(
    user: User, simulator: SimulatorProcess
) -> None:
    before = await user.settled_balance()
    question = "[[sim deltas=500 interval_ms=20]]"
    async with user.ask(question, stream=True, max_tokens=1000, on_disconnect="cancel") as answer:
        async for line in answer.content:
            if b'"content":"' in line and b'"content":""' not in line:
                break
        reserved = (await user.wallet())[1]
        answer.close()
    left_at = time.time()
    request: dict[str, Any] = {}
    while time.time() < left_at + 3 and not request.get("cancelled"):
        request = await sighting(simulator, lambda seen: seen["deltas_sent"] > 0)
        await asyncio.sleep(0.02)
    assert request["cancelled"]
    assert request["finished_at"] - left_at < 1.0
    charged = before - await user.settled_balance()
    assert 0 < charged < reserved / 2


async def test_leaving_before_the_first_word_costs_nothing(user: User) -> None:
    before = await user.settled_balance()
    async with user.ask("[[sim first_ms=5000]]", stream=True) as answer:
        assert answer.status == 200
        answer.close()
    assert await user.settled_balance() == before


async def test_leaving_an_unstreamed_question_cancels_it_too(user: User) -> None:
    before = await user.settled_balance()
    question = asyncio.create_task(user.ask("[[sim first_ms=4000]]").__aenter__())
    await asyncio.sleep(0.3)
    question.cancel()
    await asyncio.gather(question, return_exceptions=True)
    assert await user.settled_balance() == before


async def test_a_provider_that_breaks_off_ends_the_stream_with_an_error_and_charges_what_came(user: User) -> None:
    before = await user.settled_balance()
    async with user.ask("[[sim deltas=9 cut_after=3 interval_ms=20]]", stream=True) as answer:
        text = await answer.text()
    assert '"code":"upstream_error"' in text
    assert "[DONE]" not in text
    assert before - await user.settled_balance() > 0


async def test_a_provider_that_fails_at_once_is_a_502_that_costs_nothing(user: User) -> None:
    before = await user.settled_balance()
    async with user.ask("[[sim status=500]]") as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["code"]) == (502, "upstream_error")
    assert await user.settled_balance() == before
