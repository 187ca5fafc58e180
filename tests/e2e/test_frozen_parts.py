"""Parts that neither answer nor go away: nobody waits for them long, and nothing wrong is left behind."""

import asyncio
import os
import signal
import time

import pytest

from sandbox.mesh import Mesh
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")


async def test_turns_that_are_refused_while_billing_is_frozen_leave_no_money_reserved(mesh: Mesh, user: User) -> None:
    async with user.ask("[[sim text=好]]") as answer:
        assert answer.status == 200
    await user.settled_balance()
    pid = mesh.process("billing").pid
    asking = [asyncio.create_task(status(user, f"[[sim text=好]] {n}", n * 0.004)) for n in range(20)]
    await asyncio.sleep(0.04)
    os.kill(pid, signal.SIGSTOP)
    try:
        # Longer than chat waits for a reservation, and then for giving it back.
        await asyncio.sleep(11)
    finally:
        os.kill(pid, signal.SIGCONT)
    answers = await asyncio.gather(*asking)
    assert 503 in answers
    # A reservation would hold for six minutes; one that was still under way may appear for a moment.
    quiet = 0
    async with asyncio.timeout(25):
        while quiet < 4:
            quiet = 0 if (await user.wallet())[1] else quiet + 1
            await asyncio.sleep(0.6)
    async with user.ask("[[sim text=好]] again") as answer:
        assert answer.status == 200


async def test_chats_go_on_while_redis_is_frozen_and_only_the_first_waits(mesh: Mesh, user: User) -> None:
    async with user.ask("[[sim text=好]]") as answer:
        assert answer.status == 200
    pid = mesh.process("Redis").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        took = [await seconds(user, f"[[sim text=好]] {n}") for n in range(4)]
    finally:
        os.kill(pid, signal.SIGCONT)
    # A second in the gateway, and one in the chat service.
    assert took[0] < 3
    assert max(took[1:]) < 1
    assert await status(user, "[[sim text=好]] thawed", 0.5) == 200


async def seconds(user: User, question: str) -> float:
    begin = time.monotonic()
    assert await status(user, question, 0) == 200
    return time.monotonic() - begin


async def status(user: User, question: str, after_s: float) -> int:
    await asyncio.sleep(after_s)
    async with user.ask(question) as answer:
        await answer.read()
        return answer.status
