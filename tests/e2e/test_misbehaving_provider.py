"""A provider that misbehaves: the user gets the right answer, and the wallet pays what was produced."""

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")


async def ask(user: User, directive: str) -> tuple[str, dict[str, Any] | None, bool]:
    """The text that was streamed, the error that ended it if one did, and whether [DONE] came."""
    text, error, done = "", None, False
    async with user.ask(f"[[sim text=喜鹊|搭起|一座桥 {directive}]]", stream=True) as answer:
        assert answer.status == 200, await answer.text()
        async for line in answer.content:
            if line == b"data: [DONE]\n":
                done = True
            elif line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                error = event.get("error", error)
                text += "".join(choice["delta"].get("content", "") for choice in event.get("choices", ()))
    return text, error, done


@pytest.mark.parametrize(
    "directive",
    [
        "first_ms=700",
        "crlf",
        "comments",
        "crlf comments piece_bytes=3",
        "piece_bytes=1",  # every character and every event is cut
        "piece_bytes=1000000",  # the whole answer at once
        "done_twice",
        "no_done",
        "no_usage",
        "prompt_tokens=999999999",
        "completion_tokens=999999999",
        "cached_tokens=999999999",
    ],
)
async def test_what_can_be_understood_is_a_whole_answer_and_is_paid_for(user: User, directive: str) -> None:
    before = await user.settled_balance()
    assert await ask(user, directive) == ("喜鹊搭起一座桥", None, True)
    # Absurd figures are not believed: the question and its answer are a few dozen tokens.
    assert 0 < before - await user.settled_balance() < 10_000


@pytest.mark.parametrize("directive", ["bad_json interval_ms=20", "no_finish", "cut_after=2 interval_ms=20"])
async def test_what_breaks_off_is_an_error_after_the_text_that_came_and_is_paid_for_so_far(
    user: User, directive: str
) -> None:
    before = await user.settled_balance()
    text, error, done = await ask(user, directive)
    assert "喜鹊搭起一座桥".startswith(text)
    assert (error or {}).get("code") == "upstream_error"
    assert not done
    assert 0 < before - await user.settled_balance() < 10_000


async def test_a_stall_within_an_answer_is_a_timeout_after_the_text_that_came_and_is_paid_for_so_far(
    user: User,
) -> None:
    before = await user.settled_balance()
    text, error, done = await ask(user, "stall_after=2 interval_ms=20")
    assert (text, (error or {}).get("code"), done) == ("喜鹊搭起", "upstream_timeout", False)
    assert 0 < before - await user.settled_balance() < 10_000


async def test_a_first_word_that_does_not_come_is_a_timeout_and_costs_nothing(user: User) -> None:
    before = await user.settled_balance()
    async with user.ask("[[sim first_ms=30000]]") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (504, "upstream_timeout")
    assert await user.settled_balance() == before


async def test_a_cut_in_the_middle_of_a_character_shows_no_half_of_it(user: User) -> None:
    text, error, _ = await ask(user, "cut_after=2 torn interval_ms=20")
    assert text == "喜鹊搭起"
    assert (error or {}).get("code") == "upstream_error"


@pytest.mark.parametrize(
    ("directive", "status", "retry_after"),
    [
        ("status=429", 503, "2"),
        ("status=429 retry_after=1", 503, "1"),
        ("status=503", 502, "1"),
        ("status=500", 502, "1"),
    ],
)
async def test_a_provider_that_refuses_costs_nothing_and_says_when_to_come_back(
    user: User, directive: str, status: int, retry_after: str
) -> None:
    before = await user.settled_balance()
    async with user.ask(f"[[sim {directive}]]") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (status, retry_after), await answer.text()
    assert await user.settled_balance() == before
    # Until then it is left alone; so others are, whose questions go to the same provider.
    await asyncio.sleep(int(retry_after))
    async with user.ask("[[sim text=好]]") as answer:
        assert answer.status == 200
