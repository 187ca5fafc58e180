"""What an operator asks about moderation."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from services.moderation.domain import Action, Direction, Finding

log = structlog.get_logger()


class ModerationMetrics:
    """The port `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        checks = Counter("queqiao_moderation_checks", "Texts judged.", ["direction"], registry=registry)
        self._findings = Counter(
            "queqiao_moderation_findings",
            "What was found in texts: refused, referred to the remote layers, or only noted.",
            ["direction", "layer", "label", "action"],
            registry=registry,
        )
        seconds = Histogram(
            "queqiao_moderation_lexicon_seconds",
            "Time that the lexicon took for the texts of one request.",
            ["direction"],
            registry=registry,
            buckets=(2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2),
        )
        # Looked up once: a check takes hardly longer than that.
        self._timed = {each: (checks.labels(each), seconds.labels(each)) for each in Direction}

    @contextmanager
    def timed(self, direction: Direction, *, texts: int) -> Iterator[None]:
        """Count texts, and time the lexicon's work on them."""
        checks, seconds = self._timed[direction]
        checks.inc(texts)
        begin = perf_counter()
        yield
        seconds.observe(perf_counter() - begin)

    def found(self, findings: Sequence[Finding]) -> None:
        """Count and log what was found; the text stays unknown, its hash tells whether two were the same."""
        for finding in findings:
            self._findings.labels(finding.direction, finding.layer, str(finding.label), finding.action).inc()
            if finding.action is Action.REFUSED:
                log.info(
                    "refused",
                    direction=finding.direction,
                    request_id=finding.request_id,
                    layer=finding.layer,
                    label=finding.label,
                    start=finding.start,
                    end=finding.end,
                    text_sha256=hashlib.sha256(finding.text.encode()).hexdigest()[:16],
                )
