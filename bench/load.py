"""The load generator: chats that arrive on a schedule, and what became of each, as one JSON object.

`--mode realistic` is open-loop: chats start at `--qps` whatever became of the earlier ones, and every latency counts
from the *scheduled* start, so a slow target cannot hide its queue. `burst` is closed-loop: `--concurrency` users
each ask again as soon as they are answered, which finds the highest rate. `idle` is one user who pauses in between.
"""

import argparse
import asyncio
import hashlib
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench.client import Client, Outcome, Target, TargetError
from bench.native import load as native
from bench.plan import IDLE_PAUSE_S, SAMPLE_EVERY, Plan
from bench.tally import Tally, answer_text


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
        return self._tally.report(self._plan, time.monotonic() - started, _cpu_s() - cpu, "python")

    async def _open_loop(self) -> None:
        offsets = self._plan.schedule()
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
            await asyncio.sleep(IDLE_PAUSE_S)

    async def _until(self, due: float) -> None:
        delay = due - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)

    async def _chat(self, scheduled_at: float) -> None:
        number, plan = self._sent, self._plan
        self._sent += 1
        key = plan.api_keys[number % len(plan.api_keys)]
        request = self._target.request(key, plan.model, plan.question(str(number)), plan.headers)
        self._tally.late_ms.append((time.monotonic() - scheduled_at) * 1000)
        outcome = await self._client.chat(request, keep_body=number % SAMPLE_EVERY == 0)
        self._count(scheduled_at, outcome)

    def _count(self, scheduled_at: float, outcome: Outcome) -> None:
        """Counts one finished chat."""
        tally = self._tally
        if outcome.error is not None or outcome.first_content_at is None or outcome.ended_at is None:
            tally.errors[outcome.error or "no content"] += 1
            if not tally.error_example and outcome.body:
                tally.error_example = outcome.body[:300].decode(errors="replace")
            return
        tally.first_content_ms.append((outcome.first_content_at - scheduled_at) * 1000)
        tally.total_ms.append((outcome.ended_at - scheduled_at) * 1000)
        tally.events += outcome.events
        tally.gaps_ms.update(outcome.gaps_ms)
        if outcome.body is not None:
            text = answer_text(bytes(outcome.body))
            tally.characters.append(len(text))
            tally.texts.add(hashlib.sha256(text.encode()).hexdigest())


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _plan(arguments: list[str]) -> tuple[Path | None, Plan]:
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
    parser.add_argument("--header", action="append", default=[], help="one more header, such as 'x-name: value'")
    parser.add_argument("--program", type=Path, help="the compiled load generator, which costs less than this one")
    options = vars(parser.parse_args(arguments))
    if options["qps"] <= 0 or options["seconds"] <= 0 or options["concurrency"] <= 0:
        parser.error("--qps, --seconds and --concurrency must be more than 0")
    program = options.pop("program")
    keys, headers = tuple(options.pop("api_key")), tuple(options.pop("header"))
    return program, Plan(api_keys=keys, headers=headers, **options)


def main() -> None:
    """The command line."""
    program, plan = _plan(sys.argv[1:])
    try:
        report = uvloop.run(native.run(program, plan) if program else Generator(plan).run())
    except (TargetError, native.LoadError) as error:
        sys.exit(f"bench.load: {error}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
