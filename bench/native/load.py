"""Runs the load generator that is a program of its own, and makes figures of what it tells."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

from bench.client import Target
from bench.plan import IDLE_PAUSE_S, SAMPLE_EVERY, Plan
from bench.tally import Tally

# What the number of a chat stands for in a question until it is sent.
_NUMBER = "\x1a"


class LoadError(Exception):
    """The program failed; it has said why on standard error."""


async def run(program: Path, plan: Plan) -> dict[str, object]:
    """Sends every chat, waits for the last answer, and reports.

    Raises:
        LoadError: the program failed.
        TargetError: the URL is not one that may be put under load.
    """
    schedule = plan.schedule() if plan.mode == "realistic" else []
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments(plan), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        told, _ = await process.communicate("".join(f"{at:.6f}\n" for at in schedule).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise LoadError(f"the load generator ended with {process.returncode}")
    return figures(told.decode(errors="replace").splitlines(), plan)


def arguments(plan: Plan) -> list[str]:
    """The program's command line for a plan."""
    target = Target.of(plan.url)
    head, _, body = target.request("", plan.model, plan.question(_NUMBER), plan.headers).partition(b"\r\n\r\n")
    # The program writes these two itself.
    kept = [line for line in head.decode().split("\r\n") if not line.startswith(("Authorization:", "Content-Length:"))]
    before, _, after = body.decode().partition(json.dumps(_NUMBER)[1:-1])
    users = {"realistic": 0, "burst": plan.concurrency, "idle": 1}[plan.mode]
    options = {
        "-p": target.port,
        "-c": users,
        "-s": plan.seconds,
        "-w": IDLE_PAUSE_S if plan.mode == "idle" else 0,
        "-t": plan.timeout_s,
        "-e": SAMPLE_EVERY,
        "-h": "\r\n".join([*kept, ""]),
        "-b": before,
        "-a": after,
    }
    given = [item for name, value in options.items() for item in (name, str(value))]
    return [*given, *([] if plan.same_question else ["-u"]), "--", *plan.api_keys]


def figures(told: Iterable[str], plan: Plan) -> dict[str, object]:
    """The report of what the program told, a line for each chat."""
    tally = Tally()
    elapsed_s = cpu_s = 0.0
    for line in told:
        kind, _, rest = line.partition(" ")
        if kind == "chat":
            late, first, total, events, characters, text = rest.split()
            tally.late_ms.append(float(late))
            tally.first_content_ms.append(float(first))
            tally.total_ms.append(float(total))
            tally.events += int(events)
            if characters != "-":
                tally.characters.append(int(characters))
                tally.texts.add(text)
        elif kind == "error":
            late, _, error = rest.partition(" ")
            tally.late_ms.append(float(late))
            tally.errors[error] += 1
        elif kind == "gap":
            gap, count = rest.split()
            tally.gaps_ms[float(gap)] += int(count)
        elif kind == "example":
            tally.error_example = rest
        elif kind == "end":
            elapsed_s, cpu_s = map(float, rest.split())
    if not elapsed_s:
        raise LoadError("the load generator did not tell its end")
    return tally.report(plan, elapsed_s, cpu_s, "native")
