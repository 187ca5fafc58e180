"""Billing as real processes: several at once, told to stop, killed; and the commands that talk to one."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from services.runtime.channels import Peer
from services.runtime.errors import ServiceError
from services.runtime.trace import Telemetry
from tests.integration.billing.streaming import StreamingBilling
from tests.integration.billing.test_billing import TURN_MICROS, Billing, assert_books_balance


def environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **variables}


@dataclass
class BillingProcess:
    """A process of the service, and a client of it."""

    process: asyncio.subprocess.Process
    target: str
    client: Billing


async def start_billing(database_url: str, **variables: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start a process of the service and wait until it serves; answers its port, too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.billing"),
        env=environment(**{"DATABASE_URL": database_url, "PORT": "0", **variables}),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while (event := json.loads(await process.stdout.readline()))["event"] != "serving":
                pass
    except BaseException:
        await kill(process)
        raise
    return process, event["port"]


async def kill(process: asyncio.subprocess.Process) -> None:
    """SIGKILL, unless it has ended."""
    if process.returncode is None:
        process.kill()
    # Its output is read to the end, so that its pipe closes with it.
    await process.communicate()


@asynccontextmanager
async def billing_process(database_url: str, **variables: str) -> AsyncIterator[BillingProcess]:
    process, port = await start_billing(database_url, **variables)
    target = f"127.0.0.1:{port}"
    try:
        async with billing_peer(target) as peer:
            yield BillingProcess(process, target, Billing(peer))
    finally:
        await kill(process)


@asynccontextmanager
async def billing_peer(target: str) -> AsyncIterator[Peer]:
    peer = Peer("billing", target, Telemetry(None), idempotent=("queqiao.billing.v1.BillingService",))
    try:
        yield peer
    finally:
        await peer.close()


async def queqiao(*arguments: str, target: str) -> tuple[int, str, str]:
    """Run billing's commands; answers the exit status and what was printed."""
    command = "from services.cli.__main__ import main; main()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", command, *arguments),
        env=environment(BILLING_TARGET=target, COLUMNS="200"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode().strip(), complaint.decode().strip()


@pytest.mark.parametrize("kind", [Billing, StreamingBilling], ids=["a call each", "sharing messages"])
async def test_two_processes_share_a_wallet_to_the_micro_yuan(database_url: str, kind: type[Billing]) -> None:
    async with AsyncExitStack() as stack:
        variables: Mapping[str, str] = {"TRIAL_CREDIT_MICROS": str(100 * TURN_MICROS)}
        running = [await stack.enter_async_context(billing_process(database_url, **variables)) for _ in range(2)]
        clients = [kind(each.client.peer) for each in running]
        assert [(await client.open()).opened for client in clients] == [True, False]
        outcomes = await asyncio.gather(*(clients[n % 2].reserve(f"r{n}") for n in range(1000)), return_exceptions=True)
        reserved = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, int)]
        refused = [outcome.wire_reason for outcome in outcomes if isinstance(outcome, ServiceError)]
        assert (len(reserved), len(refused), set(refused)) == (100, 900, {"INSUFFICIENT_QUOTA"})
        assert await clients[0].wallet() == (100 * TURN_MICROS, 100 * TURN_MICROS, 0)
        # Each turn is settled through the process that did not reserve it.
        charged = await asyncio.gather(*(clients[(n + 1) % 2].settle(f"r{n}") for n in reserved))
        assert charged == [TURN_MICROS] * 100
        assert await clients[0].wallet() == (0, 0, 0)
    await assert_books_balance(database_url)


async def test_a_process_that_is_told_to_stop_finishes_what_it_was_asked(database_url: str) -> None:
    async with billing_process(database_url) as billing:
        await billing.client.open()
        turns = [asyncio.create_task(billing.client.reserve(f"r{n}")) for n in range(50)]
        await turns[0]
        billing.process.send_signal(signal.SIGTERM)
        assert await billing.process.wait() == 0
        answered = [t for t in await asyncio.gather(*turns, return_exceptions=True) if isinstance(t, int)]
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM billing.reservations") >= len(answered) > 0
    finally:
        await connection.close()
    await assert_books_balance(database_url)


async def test_a_process_killed_under_load_loses_nothing_and_does_nothing_twice(database_url: str) -> None:
    users, turns = [f"u{n}" for n in range(5)], 200
    answers: dict[int, int] = {}
    async with billing_process(database_url) as first:
        await asyncio.gather(*(first.client.open(user) for user in users))

        async def turn(client: Billing, n: int) -> None:
            await client.reserve(f"r{n}", users[n % 5])
            answers[n] = await client.settle(f"r{n}", user=users[n % 5])

        running = [asyncio.create_task(turn(first.client, n)) for n in range(turns)]
        while len(answers) < turns // 10:
            await asyncio.sleep(0.001)
        first.process.kill()
        await asyncio.gather(*running, return_exceptions=True)
    assert len(answers) < turns, "it was killed before it was done"
    async with billing_process(database_url) as second:
        # The caller repeats everything, what was answered as well: it cannot tell what was written.
        outcomes = await asyncio.gather(*(turn(second.client, n) for n in range(turns)), return_exceptions=True)
        assert [outcome for outcome in outcomes if outcome is not None] == []
        balances = [await second.client.wallet(user) for user in users]
    left = 1_000_000 - turns // 5 * TURN_MICROS
    assert balances == [(left, 0, left)] * 5
    await assert_books_balance(database_url)


async def test_a_wrong_configuration_is_one_sentence_that_keeps_the_password(database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.billing"),
        env=environment(DATABASE_URL=database_url.replace("queqiao:", "nobody:", 1), PORT="0"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    said = complaint.decode().strip()
    assert process.returncode == 1
    assert said.startswith("billing: PostgreSQL")
    assert "\n" not in said
    password = database_url.split("@")[0].rsplit(":", 1)[1]
    assert password not in said


async def test_credit_is_granted_once_and_shown(database_url: str) -> None:
    async with billing_process(database_url) as billing:
        grant = ("credit", "grant", "--user", "u", "--yuan", "9.99", "--request-id", "g1", "--reason", "测试")
        said = "u: balance ¥9.99, reserved ¥0.00, available ¥9.99"
        assert await queqiao(*grant, target=billing.target) == (0, said, "")
        assert await queqiao(*grant, target=billing.target) == (0, said, "")
        assert await queqiao("wallet", "show", "--user", "u", target=billing.target) == (0, said, "")


async def test_a_command_that_cannot_be_done_says_why_in_a_sentence(database_url: str) -> None:
    cases: Mapping[tuple[str, ...], tuple[int, str]] = {
        ("wallet", "show", "--user", "nobody"): (1, "has no wallet"),
        ("wallet", "show", "--user", "a b"): (1, "user_id must be"),
        ("credit", "grant", "--user", "u", "--yuan", "1e3", "--request-id", "g"): (2, "no amount of yuan"),
        ("credit", "grant", "--user", "u", "--yuan", "-1", "--request-id", "g"): (1, "amount_micros must be"),
    }
    async with billing_process(database_url) as billing:
        for arguments, (status, words) in cases.items():
            code, printed, complaint = await queqiao(*arguments, target=billing.target)
            assert (code, printed) == (status, ""), complaint
            assert words in complaint
            assert "Traceback" not in complaint


async def test_a_command_without_a_service_says_that_it_does_not_answer() -> None:
    code, _, complaint = await queqiao("wallet", "show", "--user", "u", target="127.0.0.1:1")
    assert code == 1
    assert "billing service does not answer" in complaint
