"""What moderation adds to the first text of an answer, by policy and by how remote layers are; and what reloads drop.

Besides, what the learned layer adds to a check.

It runs in the whole mesh, against a provider whose first text comes after 300 ms, and the stand-ins of both remote
layers. Alone it is `python -m bench.moderation`, about a minute.
"""

import asyncio
import json
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import grpc
from queqiao.moderation.v1 import (
    lexicon_pb2,
    lexicon_pb2_grpc,
    moderation_pb2,
    moderation_pb2_grpc,
    screener_pb2,
    screener_pb2_grpc,
)

from bench.simulator_process import SimulatorProcess
from sandbox import postgres
from sandbox.mesh import Mesh
from sandbox.processes import PartError
from services.moderation.learned.model import SHIPPED, read_weights, write_weights

_ROOT = Path(__file__).resolve().parent.parent
_STATE = _ROOT / ".run" / "bench-moderation"

_CHATS = 15
_MODEL_MS = 300
_QUESTION = f"[[sim deltas=4 first_ms={_MODEL_MS} interval_ms=5]]"
_RELOADS = 10
_CHECKERS = 4

# Checks one after the other of questions of so many characters; the first of them warm up, and count for nothing.
_CHECKS, _WARMING_UP = 2_000, 200
_CHECK_CHARACTERS = 100
_LEARNED_MS = 0.2

_POLICY = """
[learned]
input = {learned}

[wechat]
input = "{mode}"
when_down = "{when_down}"
timeout_s = 1.0

[openai]
input = "{mode}"
ask_input = "review"
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Remote layers that behave in this manner, each after a delay, under a policy."""

    title: str
    mode: str = "parallel"
    when_down: str = "next"
    wechat: str = "well"
    delay_s: float = 0.1


_CASES = (
    Case("remote layers off", mode="off"),
    Case("parallel, remote faster than the model"),
    Case("parallel, remote slower than the model", delay_s=0.6),
    Case("before the model", mode="before"),
    Case("WeChat fails, policy next", wechat="error"),
    Case("WeChat is out of quota, policy next", wechat="quota"),
    Case("WeChat is silent, policy next", wechat="silent"),
    Case("WeChat fails, policy open", when_down="open", wechat="error"),
    Case("WeChat is silent, policy open", when_down="open", wechat="silent"),
    Case("WeChat fails, policy closed", when_down="closed", wechat="error"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Median and longest time to the first text, in milliseconds (None when there was none), and the answers."""

    case: Case
    first_ms: float | None
    slowest_ms: float | None
    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Checks:
    """The median of a check in milliseconds, with the learned layer and without it."""

    scored_ms: float
    unscored_ms: float


@dataclass(frozen=True, slots=True)
class Reloads:
    """How many questions were checked while lists changed, how many of them failed, and the slowest in ms."""

    checked: int
    failed: int
    slowest_ms: float


async def measure(cases: Sequence[Case] = _CASES) -> tuple[list[Measured], Checks, Reloads]:
    """Measure every case, a mesh for each policy; checks with the learned layer and without; reloads under load."""
    results: dict[str, Measured] = {}
    async with SimulatorProcess() as simulator:
        for policy in dict.fromkeys((case.mode, case.when_down) for case in cases):
            async with _mesh(simulator, *policy) as mesh:
                for case in cases:
                    if (case.mode, case.when_down) == policy:
                        results[case.title] = await _measure(mesh, case)
                if policy == ("parallel", "next"):
                    reloads = await _reload(mesh.env["MODERATION_TARGET"])
                if policy[0] == "off":
                    scored_ms = await _check(mesh.env["MODERATION_TARGET"])
        async with _mesh(simulator, "off", "next", learned=False) as mesh:
            unscored_ms = await _check(mesh.env["MODERATION_TARGET"])
    return [results[case.title] for case in cases], Checks(scored_ms, unscored_ms), reloads


def render(results: Sequence[Measured], checks: Checks, reloads: Reloads) -> str:
    """A table of it."""
    base = next(measured.first_ms for measured in results if measured.case.mode == "off")
    lines = [f"time to the first text, p50 of {_CHATS} chats one after the other; the model takes {_MODEL_MS} ms"]
    for measured in results:
        if measured.first_ms is None or base is None:
            shown = "nothing shown"
        else:
            shown = f"{measured.first_ms:6.0f} ms {measured.first_ms - base:+6.0f}   slowest {measured.slowest_ms:5.0f}"
        told = ", ".join(f"{status} × {count}" for status, count in measured.statuses.items())
        lines.append(f"  {measured.case.title:42s} {shown:35s} {told}")
    lines.append(
        f"  a check of {_CHECK_CHARACTERS} characters, p50: {checks.scored_ms:.2f} ms, without the learned layer "
        f"{checks.unscored_ms:.2f} ms: {checks.scored_ms - checks.unscored_ms:+.2f} ms (target below {_LEARNED_MS:g})"
    )
    lines.append(
        f"  {_RELOADS} reloads: {reloads.checked:,} questions checked meanwhile, {reloads.failed} failed, "
        f"the slowest took {reloads.slowest_ms:.0f} ms"
    )
    return "\n".join(lines)


@asynccontextmanager
async def _mesh(simulator: SimulatorProcess, mode: str, when_down: str, *, learned: bool = True) -> AsyncIterator[Mesh]:
    _STATE.mkdir(parents=True, exist_ok=True)
    policy = _STATE / "policy.toml"
    policy.write_text(_POLICY.format(mode=mode, when_down=when_down, learned=str(learned).lower()), encoding="utf-8")
    given = {
        "OPENAI_BASE_URL": simulator.url,
        "OPENAI_API_KEY": "sk-simulated",
        "POLICY_FILE": str(policy),
        "RATE_LIMIT_KEY_PER_MINUTE": "100000",
        "TRIAL_CREDIT_MICROS": str(10**12),
    }
    async with Mesh(_STATE, given=given, port=0) as mesh:
        yield mesh


async def _measure(mesh: Mesh, case: Case) -> Measured:
    firsts: list[float] = []
    statuses: dict[str, int] = {}
    async with aiohttp.ClientSession() as http:
        await _behave(mesh, http, case)
        async with http.post(f"{mesh.url}/v1/auth/wechat", json={"code": "bench"}) as answer:
            token = (await answer.json())["access_token"]
        for number in range(_CHATS):
            # Every question is a new one, so that no verdict is known.
            first_ms, status = await _ask(mesh.url, http, token, f"{case.title} {time.time_ns()} {number} {_QUESTION}")
            statuses[status] = statuses.get(status, 0) + 1
            if first_ms is not None:
                firsts.append(first_ms)
    return Measured(case, statistics.median(firsts) if firsts else None, max(firsts, default=None), statuses)


async def _behave(mesh: Mesh, http: aiohttp.ClientSession, case: Case) -> None:
    wechat = f"{mesh.env['WECHAT_API_BASE_URL']}/sandbox/security"
    openai = mesh.env["OPENAI_MODERATION_BASE_URL"].removesuffix("/v1") + "/sandbox/moderations"
    for url, manner in ((wechat, case.wechat), (openai, "well")):
        async with http.post(url, json={"manner": manner, "delay_s": case.delay_s}) as answer:
            answer.raise_for_status()


async def _ask(url: str, http: aiohttp.ClientSession, token: str, question: str) -> tuple[float | None, str]:
    """Milliseconds to the first text, and how the chat was answered."""
    body = {"model": "simulated", "stream": True, "messages": [{"role": "user", "content": question}]}
    headers = {"Authorization": f"Bearer {token}"}
    begin, first_ms, status = time.perf_counter(), None, "broken off"
    async with http.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
        if answer.status != 200:
            return None, str(answer.status)
        async for line in answer.content:
            if line.startswith(b"data: [DONE]"):
                status = "answered"
            elif line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    return first_ms, str(event["error"]["code"])
                if first_ms is None and any(choice["delta"].get("content") for choice in event["choices"]):
                    first_ms = (time.perf_counter() - begin) * 1000
    return first_ms, status


async def _check(target: str) -> float:
    """The median of a check in milliseconds, remote layers being off; every question is another."""
    took: list[float] = []
    async with grpc.aio.insecure_channel(target) as channel:
        judging: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(channel)
        for number in range(_WARMING_UP + _CHECKS):
            text = f"第{number}个问题：今天天气怎么样，适合带孩子去公园放风筝吗？" * 5
            request = moderation_pb2.CheckInputRequest(request_id="r", user_id="u", text=text[:_CHECK_CHARACTERS])
            begin = time.perf_counter()
            await judging.CheckInput(request, timeout=10)
            took.append((time.perf_counter() - begin) * 1000)
    return statistics.median(took[_WARMING_UP:])


async def _reload(target: str) -> Reloads:
    """Change stored lists and weights again and again, while questions are checked without a pause."""
    took: list[float] = []
    failed = 0
    stopping = asyncio.Event()
    async with grpc.aio.insecure_channel(target) as channel:
        judging: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(channel)
        lists: lexicon_pb2_grpc.LexiconServiceAsyncStub = lexicon_pb2_grpc.LexiconServiceStub(channel)

        weights: screener_pb2_grpc.ScreenerServiceAsyncStub = screener_pb2_grpc.ScreenerServiceStub(channel)
        # The weights that ship, under another name: every change of them is taken up.
        other = write_weights(replace(read_weights(SHIPPED.read_bytes()), about="bench"))

        async def check() -> None:
            nonlocal failed
            request = moderation_pb2.CheckInputRequest(request_id="r", user_id="u", text="今天天气怎么样")
            while not stopping.is_set():
                begin = time.perf_counter()
                try:
                    await judging.CheckInput(request, timeout=2)
                except grpc.aio.AioRpcError:
                    failed += 1
                took.append((time.perf_counter() - begin) * 1000)

        checking = [asyncio.create_task(check()) for _ in range(_CHECKERS)]
        for number in range(_RELOADS):
            entries = [lexicon_pb2.Entry(word=f"基准词{number}x{each}", label=21000) for each in range(1_000)]
            await lists.AddEntries(lexicon_pb2.AddEntriesRequest(entries=entries, author="bench"), timeout=10)
            await (
                weights.PutWeights(screener_pb2.PutWeightsRequest(content=other, author="bench"), timeout=10)
                if number % 2
                else weights.RestoreWeights(screener_pb2.RestoreWeightsRequest(author="bench"), timeout=10)
            )
            await asyncio.sleep(0.3)
        stopping.set()
        await asyncio.gather(*checking)
    return Reloads(len(took), failed, max(took))


def main() -> None:
    """The command line."""
    try:
        results, checks, reloads = asyncio.run(measure())
    except PartError as error:
        sys.exit(f"bench: {error}")
    print(render(results, checks, reloads))
    for folder in (*postgres.folders_outside(_STATE), _STATE):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
