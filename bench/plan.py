"""What a load generator is asked to send."""

from dataclasses import dataclass

from bench.figures import poisson_arrivals, uniform_arrivals

# The whole text is read of one answer in so many.
SAMPLE_EVERY = 20
# How long one user pauses between an answer and the next question.
IDLE_PAUSE_S = 0.05

# What the simulated provider is told to do: an answer at once, or short answers, so that one user asks often enough for
# a 99th percentile.
BURST = "[[sim first_ms=0 interval_ms=0]]"
IDLE = "[[sim deltas=8 first_ms=100 interval_ms=5]]"


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
    headers: tuple[str, ...] = ()

    def schedule(self) -> list[float]:
        """When the chats of an open loop are due, in seconds from its start."""
        if self.arrivals == "poisson":
            return poisson_arrivals(self.qps, self.seconds, self.seed)
        return uniform_arrivals(self.qps, self.seconds)

    def question(self, number: str) -> str:
        """What a chat asks; each number asks something else, unless all questions are the same."""
        name = "" if self.same_question else f"（第{self.seed}-{number}问）"
        return f"请给我讲一个关于鹊桥的故事。{name}{self.directive}"
