"""The load generator: chats that arrive on a schedule, and what became of each, as one JSON object.

`--mode realistic` is open-loop: chats start at `--qps` whatever became of the earlier ones, and every latency counts
from the *scheduled* start, so a slow target cannot hide its queue. `burst` is closed-loop: `--concurrency` users
each ask again as soon as they are answered, which finds the highest rate. `idle` is one user who pauses in between.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import uvloop

from bench.client import Client, Outcome, Target, TargetError
from bench.figures import poisson_arrivals, spread, uniform_arrivals

_SAMPLE_EVERY = 20
_IDLE_PAUSE_S = 0.05
# Beyond these, what was measured is (also) the generator.
_BUSY_SHARE = 0.8
_LATE_MS = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `qps` is for `realistic`, `concurrency` for `burst`; every chat is bounded by `timeout_s`."""

    url: str
    api_keys: tuple[str, ...]
    model: str = "simulated"
    mode: str = "realistic"
    qps: float = 10.0
    seconds: float = 8.0
    concurrency: int = 64
    arrivals: str = "poisson"
    directive: str = ""
    same_question: bool = False
    timeout_s: float = 60.0
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """What happened so far; latencies are milliseconds from the scheduled start."""

    scheduled: int = 0
    first_content_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    error_example: str = ""
    chunks: int = 0
    answer_characters: list[int] = field(default_factory=list)

    def add(self, scheduled_at: float, outcome: Outcome) -> None:
        """Counts one finished chat."""
        if outcome.error is not None or outcome.first_content_at is None or outcome.ended_at is None:
            self.errors[outcome.error or "no content"] += 1
            if not self.error_example and outcome.body:
                self.error_example = outcome.body[:300].decode(errors="replace")
            return
        self.first_content_ms.append((outcome.first_content_at - scheduled_at) * 1000)
        self.total_ms.append((outcome.ended_at - scheduled_at) * 1000)
        self.chunks += outcome.chunks
        if outcome.body is not None:
            self.answer_characters.append(len(answer_text(bytes(outcome.body))))


def answer_text(body: bytes) -> str:
    """The text of a whole streamed answer."""
    events = (line[6:] for line in body.decode().splitlines() if line.startswith("data: {"))
    chunks = [json.loads(event) for event in events]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


class Generator:
    """Runs one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._target = Target.of(plan.url)
        self._client = Client(self._target, plan.timeout_s)
        self._tally = Tally()
        self._sent = 0

    async def run(self) -> dict[str, object]:
        """Sends every chat, waits for the last answer, and reports."""
        modes: dict[str, Callable[[], Awaitable[None]]] = {
            "realistic": self._open_loop,
            "burst": self._closed_loop,
            "idle": self._one_user,
        }
        started, cpu = time.monotonic(), _cpu_s()
        await modes[self._plan.mode]()
        self._client.close()
        return self._report(time.monotonic() - started, _cpu_s() - cpu)

    async def _open_loop(self) -> None:
        plan = self._plan
        if plan.arrivals == "poisson":
            offsets = poisson_arrivals(plan.qps, plan.seconds, plan.seed)
        else:
            offsets = uniform_arrivals(plan.qps, plan.seconds)
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for offset in offsets:
                await self._until(start + offset)
                group.create_task(self._chat(start + offset))

    async def _closed_loop(self) -> None:
        end = time.monotonic() + self._plan.seconds

        async def user() -> None:
            while (now := time.monotonic()) < end:
                await self._chat(now)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.concurrency):
                group.create_task(user())

    async def _one_user(self) -> None:
        end = time.monotonic() + self._plan.seconds
        while (now := time.monotonic()) < end:
            await self._chat(now)
            await asyncio.sleep(_IDLE_PAUSE_S)

    async def _until(self, due: float) -> None:
        delay = due - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)

    async def _chat(self, scheduled_at: float) -> None:
        number, plan = self._sent, self._plan
        self._sent += 1
        self._tally.scheduled += 1
        name = "" if plan.same_question else f"（第{plan.seed}-{number}问）"
        question = f"请给我讲一个关于鹊桥的故事。{name}{plan.directive}"
        request = self._target.request(plan.api_keys[number % len(plan.api_keys)], plan.model, question)
        self._tally.late_ms.append((time.monotonic() - scheduled_at) * 1000)
        outcome = await self._client.chat(request, keep_body=number % _SAMPLE_EVERY == 0)
        self._tally.add(scheduled_at, outcome)

    def _report(self, elapsed_s: float, cpu_s: float) -> dict[str, object]:
        tally, plan = self._tally, self._plan
        completed = len(tally.total_ms)
        late = spread(tally.late_ms)
        share = cpu_s / elapsed_s
        # An open loop ends with waiting for the last answers. What goes beyond the time of the fastest chat is a
        # queue being worked off, so it counts: a target that falls behind must not seem to keep up.
        fastest_s = min(tally.total_ms, default=0.0) / 1000
        window_s = max(plan.seconds, elapsed_s - fastest_s) if plan.mode == "realistic" else elapsed_s
        lengths = tally.answer_characters
        return {
            "mode": plan.mode,
            "qps_asked": plan.qps if plan.mode == "realistic" else None,
            "concurrency": plan.concurrency if plan.mode == "burst" else None,
            "qps": round(completed / window_s, 2),
            "scheduled": tally.scheduled,
            "completed": completed,
            "errors": dict(tally.errors),
            "error_example": tally.error_example,
            "first_content_ms": spread(tally.first_content_ms),
            "total_ms": spread(tally.total_ms),
            "chunks": tally.chunks,
            "sampled_answers": len(lengths),
            "sampled_characters": {"min": min(lengths), "max": max(lengths)} if lengths else None,
            "elapsed_s": round(elapsed_s, 3),
            "generator": {
                "cpu_share": round(share, 3),
                "cpu_ms_per_chat": round(cpu_s * 1000 / max(completed, 1), 3),
                "late_ms": late,
                "was_the_bottleneck": share > _BUSY_SHARE or (late is not None and late["p99"] > _LATE_MS),
            },
        }


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _plan(arguments: list[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--url", required=True, help="base URL on this machine, such as http://127.0.0.1:8080/v1")
    parser.add_argument("--api-key", action="append", required=True, help="give it again for each further user")
    parser.add_argument("--model", default=Plan("", ()).model)
    parser.add_argument("--mode", choices=("realistic", "burst", "idle"), default="realistic")
    parser.add_argument("--qps", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--arrivals", choices=("poisson", "uniform"), default="poisson")
    parser.add_argument("--directive", default="", help="appended to each question, such as [[sim first_ms=0]]")
    parser.add_argument("--same-question", action="store_true", help="ask one question again and again")
    parser.add_argument("--timeout-s", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args(arguments))
    if options["qps"] <= 0 or options["seconds"] <= 0 or options["concurrency"] <= 0:
        parser.error("--qps, --seconds and --concurrency must be more than 0")
    return Plan(api_keys=tuple(options.pop("api_key")), **options)


def main() -> None:
    """The command line."""
    try:
        generator = Generator(_plan(sys.argv[1:]))
    except TargetError as error:
        sys.exit(f"bench.load: {error}")
    print(json.dumps(uvloop.run(generator.run())))


if __name__ == "__main__":
    main()
