"""What became of the chats of a load, as figures: the same ones for both load generators."""

import json
from collections import Counter
from dataclasses import dataclass, field

from bench.figures import spread, spread_of_counts
from bench.plan import Plan

# Beyond these, what was measured is (also) the generator.
_BUSY_SHARE = 0.8
_LATE_MS = 20.0


@dataclass(slots=True)
class Tally:
    """What happened so far; latencies are milliseconds from the scheduled start, gaps between texts of one answer.

    `texts` tells the sampled answers' texts apart, `characters` are their lengths.
    """

    first_content_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    gaps_ms: Counter[float] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    error_example: str = ""
    events: int = 0
    characters: list[int] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)

    def report(self, plan: Plan, elapsed_s: float, cpu_s: float, program: str) -> dict[str, object]:
        """The figures, once the last answer has come."""
        completed = len(self.total_ms)
        late = spread(self.late_ms)
        share = cpu_s / elapsed_s
        # An open loop ends with waiting for the last answers. What goes beyond the time of the fastest chat is a
        # queue being worked off, so it counts: a target that falls behind must not seem to keep up.
        fastest_s = min(self.total_ms, default=0.0) / 1000
        window_s = max(plan.seconds, elapsed_s - fastest_s) if plan.mode == "realistic" else elapsed_s
        lengths = self.characters
        return {
            "mode": plan.mode,
            "qps_asked": plan.qps if plan.mode == "realistic" else None,
            "concurrency": plan.concurrency if plan.mode == "burst" else None,
            "qps": round(completed / window_s, 2),
            "scheduled": len(self.late_ms),
            "completed": completed,
            "errors": dict(self.errors),
            "error_example": self.error_example,
            "first_content_ms": spread(self.first_content_ms),
            "total_ms": spread(self.total_ms),
            "text_gaps_ms": spread_of_counts(self.gaps_ms),
            "events_per_chat": round(self.events / max(completed, 1), 1),
            "sampled_answers": len(lengths),
            "sampled_texts": len(self.texts),
            "sampled_characters": {"min": min(lengths), "max": max(lengths)} if lengths else None,
            "elapsed_s": round(elapsed_s, 3),
            "generator": {
                "program": program,
                "cpu_share": round(share, 3),
                "cpu_ms_per_chat": round(cpu_s * 1000 / max(completed, 1), 3),
                "late_ms": late,
                "was_the_bottleneck": share > _BUSY_SHARE or (late is not None and late["p99"] > _LATE_MS),
            },
        }


def answer_text(body: bytes) -> str:
    """The text of a whole streamed answer."""
    events = (line[6:] for line in body.decode().splitlines() if line.startswith("data: {"))
    chunks = [json.loads(event) for event in events]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
