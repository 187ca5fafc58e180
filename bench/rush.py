"""A rush: ten times as many chats at once as a gateway has places for.

Its places are taken by chats that run; then the rest arrive together. Those that run should feel nothing, as many as
may wait should be served in fair order between users, and all others be refused at once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.client import Client, Outcome, Target
from bench.figures import percentile
from bench.report import table

PLACES = 20
WAITING_MAX = 40
TIMES = 10
# A gateway of this size; all else is as delivered.
LIMITS = {"TURNS_MAX": str(PLACES), "QUEUE_MAX": str(WAITING_MAX), "RATE_LIMIT_TRIAL_PER_MINUTE": "100000000"}

_RUNNING = "[[sim deltas=120 first_ms=100 interval_ms=25]]"
_ARRIVING = "[[sim deltas=8 first_ms=50 interval_ms=20]]"
_TIMEOUT_S = 30.0
# Starts that are closer to each other than this have no order that a client could tell.
_TOGETHER_S = 0.1
_HEAD_START_S = 0.8


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat of the rush: whose it is, and what became of it."""

    user: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rush:
    """What was measured; times are milliseconds."""

    quiet_gap_p99: float
    gap_p99: float
    running_failed: int
    served: int
    served_out_of_turn: int
    refused: int
    refused_p50: float
    refused_p99: float
    failed: int


async def measure(url: str, api_keys: Sequence[str]) -> Rush:
    """Measure a gateway that was started with LIMITS and has nothing else to do."""
    target = Target.of(url)
    client = Client(target, _TIMEOUT_S)

    async def chat(number: int, directive: str) -> Chat:
        user = number % len(api_keys)
        request = target.request(api_keys[user], "simulated", f"鹊桥 {time.monotonic_ns()} {number} {directive}")
        return Chat(user, await client.chat(request, keep_times=True))

    async def run() -> list[Chat]:
        return list(await asyncio.gather(*(chat(number, _RUNNING) for number in range(PLACES))))

    # A process that has just started is slower than it will be.
    await run()
    quiet = await run()
    running = asyncio.create_task(run())
    await asyncio.sleep(_HEAD_START_S)
    arrived = await asyncio.gather(*(chat(number, _ARRIVING) for number in range((TIMES - 1) * PLACES)))
    crowded = await running
    client.close()
    refused = [each for each in arrived if each.outcome.error in ("HTTP 429", "HTTP 503")]
    served = [each for each in arrived if each.outcome.error is None]
    waits = [((each.outcome.ended_at or 0.0) - (each.outcome.sent_at or 0.0)) * 1000 for each in refused]
    return Rush(
        quiet_gap_p99=round(percentile(gaps_ms(quiet), 99), 1),
        gap_p99=round(percentile(gaps_ms(crowded), 99), 1),
        running_failed=sum(each.outcome.error is not None for each in crowded),
        served=len(served),
        served_out_of_turn=out_of_turn(served),
        refused=len(refused),
        refused_p50=round(percentile(waits, 50), 1) if waits else 0.0,
        refused_p99=round(percentile(waits, 99), 1) if waits else 0.0,
        failed=len(arrived) - len(refused) - len(served),
    )


def gaps_ms(chats: Sequence[Chat]) -> list[float]:
    """The times between what came of each answer; its end, which waits for the ledger, is left out."""
    found = []
    for each in chats:
        times = (each.outcome.times or [])[:-1]
        found += [(later - earlier) * 1000 for earlier, later in pairwise(times)]
    return found


def out_of_turn(served: Sequence[Chat]) -> int:
    """How many began clearly before somebody else's chat that was due: nobody's second before everybody's first."""
    begun = sorted((each.outcome.first_content_at or 0.0, each.user) for each in served)
    rounds: Counter[int] = Counter()
    turns = []
    for at, user in begun:
        rounds[user] += 1
        turns.append((at, rounds[user]))
    return sum(
        any(earlier < at - _TOGETHER_S and round_before > round_ for earlier, round_before in turns)
        for at, round_ in turns
    )


def render(rush: Rush) -> str:
    """The table."""
    rows = [
        ("a rush", "measured", "must be"),
        ("gaps of running chats, p99, ms", f"{rush.gap_p99:g}", f"≤ {2 * rush.quiet_gap_p99:g} (2 × quiet)"),
        ("running chats that failed", f"{rush.running_failed}", "0"),
        ("served after a wait", f"{rush.served}", f"{WAITING_MAX}"),
        ("of them out of turn", f"{rush.served_out_of_turn}", "0"),
        ("refused", f"{rush.refused}", f"{(TIMES - 1) * PLACES - WAITING_MAX}"),
        ("refused after, p50 and p99, ms", f"{rush.refused_p50:g}, {rush.refused_p99:g}", "≤ 100"),
        ("failed otherwise", f"{rush.failed}", "0"),
    ]
    return f"{TIMES} × {PLACES} chats at once, for {PLACES} places and {WAITING_MAX} that may wait\n{table(rows)}"
