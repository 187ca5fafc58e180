"""What an operator asks about word lists."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.moderation.lists.domain import Info


class LibraryMetrics:
    """Of one replica's lexicon."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._entries = Gauge(
            "queqiao_lexicon_entries", "Different entries of the lexicon in force.", registry=registry
        )
        self._stored_version = Gauge(
            "queqiao_lexicon_stored_version", "Version of the stored lists in force.", registry=registry
        )
        self._loaded_at = Gauge(
            "queqiao_lexicon_load_timestamp_seconds", "When the lexicon in force was taken up.", registry=registry
        )
        self._problem = Gauge(
            "queqiao_lexicon_problem", "1 while the newest state of the lists cannot be taken up.", registry=registry
        )
        self._problems = Counter(
            "queqiao_lexicon_problems", "Times that the newest state could not be taken up.", registry=registry
        )
        self._seconds = Histogram(
            "queqiao_lexicon_compile_seconds",
            "Time of compiling the lexicon.",
            registry=registry,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
        )

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Measure one that succeeds."""
        begin = perf_counter()
        yield
        self._seconds.observe(perf_counter() - begin)

    def in_force(self, info: Info) -> None:
        """Say what is in force."""
        self._entries.set(info.entries)
        self._stored_version.set(info.stored_version)
        self._loaded_at.set(info.loaded_at.timestamp())

    def in_trouble(self, *, yes: bool) -> None:
        """Say whether the newest state cannot be taken up."""
        self._problem.set(yes)

    def count_problem(self) -> None:
        """Count something that went wrong, once however long it lasts."""
        self._problems.inc()
