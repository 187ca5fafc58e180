import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bench.answer import passage
from bench.client import Client, Target, TargetError
from bench.load import Generator
from bench.native import load as native
from bench.plan import Plan
from bench.simulator_process import SimulatorProcess
from bench.tally import answer_text

ANSWER = "".join(passage(16, 1))


TEXT_EVENT = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'


@contextlib.asynccontextmanager
async def serving(body: bytes, each_s: float = 0) -> AsyncIterator[str]:
    """A server that answers each connection with this body, once; one at a time, taking `each_s`."""
    turn = asyncio.Lock()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        async with turn:
            await asyncio.sleep(each_s)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


Report = Callable[[Plan], Awaitable[dict[str, object]]]


@pytest.fixture(params=["python", "native"])
def report_of(request: pytest.FixtureRequest, load_program: Path) -> Report:
    """Either load generator: both must tell the same."""
    if request.param == "native":
        return lambda plan: native.run(load_program, plan)
    return lambda plan: Generator(plan).run()


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/v1", "https://127.0.0.1/v1", "http://127.0.0.1.example.com/v1", "127.0.0.1:80", ""]
)
def test_load_never_goes_to_another_machine(url: str) -> None:
    with pytest.raises(TargetError, match="this machine only"):
        Target.of(url)


async def test_a_chat_is_read_to_its_end_and_its_connection_used_again(simulator: SimulatorProcess) -> None:
    target = Target.of(simulator.url)
    client = Client(target, timeout_s=5)
    request = target.request("sk-any", "simulated", "你好")
    bodies = []
    for _ in range(2):
        outcome = await client.chat(request, keep_body=True)
        assert outcome.error is None
        assert outcome.body is not None
        assert outcome.first_content_at is not None
        assert outcome.ended_at is not None
        assert outcome.chunks == 16 + 4  # role, finish, usage, [DONE]
        bodies.append(answer_text(bytes(outcome.body)))
    client.close()
    assert bodies == [ANSWER, ANSWER]


async def test_an_open_loop_starts_every_scheduled_chat(simulator: SimulatorProcess, report_of: Report) -> None:
    plan = Plan(simulator.url, ("sk-any",), qps=40, seconds=0.5, arrivals="uniform")
    report = await report_of(plan)
    assert report["scheduled"] == report["completed"] == 20
    assert report["qps"] == pytest.approx(40, rel=0.1)
    assert report["errors"] == {}
    assert report["sampled_characters"] == {"min": len(ANSWER), "max": len(ANSWER)}


async def test_a_slow_target_does_not_slow_the_arrivals(simulator: SimulatorProcess, report_of: Report) -> None:
    plan = Plan(
        simulator.url,
        ("sk-any",),
        qps=50,
        seconds=0.4,
        arrivals="uniform",
        directive="[[sim first_ms=300 deltas=1]]",
    )
    report = await report_of(plan)
    assert report["completed"] == 20
    first = report["first_content_ms"]
    assert isinstance(first, dict)
    assert first["p50"] >= 299
    elapsed = report["elapsed_s"]
    assert isinstance(elapsed, float)
    assert elapsed < 20 * 0.3


async def test_a_target_that_falls_behind_does_not_seem_to_keep_up(report_of: Report) -> None:
    async with serving(TEXT_EVENT + b"data: [DONE]\n\n", each_s=0.05) as url:
        report = await report_of(Plan(url, ("k",), qps=100, seconds=0.2, arrivals="uniform"))
    assert report["completed"] == 20
    qps = report["qps"]
    assert isinstance(qps, float)
    assert qps < 23  # one answer every 50 ms


async def test_latency_counts_from_the_scheduled_start() -> None:
    """A generator that is late itself must count its delay as the target's users would."""
    async with serving(TEXT_EVENT + b"data: [DONE]\n\n") as url:
        generator = Generator(Plan(url, ("k",), qps=100, seconds=0.1, arrivals="uniform"))
        asyncio.get_running_loop().call_later(0.02, time.sleep, 0.3)
        report = await generator.run()
    first = report["first_content_ms"]
    measured = report["generator"]
    assert isinstance(first, dict)
    assert isinstance(measured, dict)
    assert first["p50"] >= 200
    assert measured["was_the_bottleneck"] is True


async def test_a_closed_loop_asks_again_until_the_time_is_over(simulator: SimulatorProcess, report_of: Report) -> None:
    report = await report_of(Plan(simulator.url, ("a", "b"), mode="burst", seconds=0.3, concurrency=4))
    assert report["errors"] == {}
    completed = report["completed"]
    assert isinstance(completed, int)
    assert completed > 4


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        ("[[sim status=429]]", "HTTP 429"),
        ("[[sim cut_after=2]]", "connection lost"),
        ("[[sim deltas=0]]", "no content"),
        ("[[sim stall_after=1]]", "timeout"),
    ],
)
async def test_what_goes_wrong_is_counted_by_kind(
    simulator: SimulatorProcess, report_of: Report, directive: str, error: str
) -> None:
    plan = Plan(simulator.url, ("sk-any",), mode="idle", seconds=0.01, directive=directive, timeout_s=0.3)
    report = await report_of(plan)
    assert report["errors"] == {error: 1}
    assert report["completed"] == 0
    assert report["first_content_ms"] is None
    if error == "HTTP 429":
        assert "rate_limit_exceeded" in str(report["error_example"])


async def test_an_error_within_a_stream_is_not_an_answer(report_of: Report) -> None:
    async with serving(TEXT_EVENT + b'data: {"error":{"message":"m"}}\n\n') as url:
        report = await report_of(Plan(url, ("k",), mode="idle", seconds=0.01))
    assert report["errors"] == {"error in the stream": 1}


async def test_a_target_that_is_not_there_is_an_error_not_a_crash(report_of: Report) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        report = await report_of(Plan(url, ("k",), mode="idle", seconds=0.01))
    errors = report["errors"]
    assert isinstance(errors, dict)
    assert next(iter(errors)).startswith("cannot connect")
