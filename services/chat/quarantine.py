"""Figures of providers that cannot be true: counted, kept for somebody to look at, and never charged."""

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from services.chat.background import Background
from services.chat.domain import Model, Question, Usage
from services.runtime.postgres import FAILED

_PUT = """
INSERT INTO quarantined_usage (
    request_id, user_id, model, reported_input, reported_cached_input, reported_output, counted_input, counted_output
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

# What PostgreSQL's bigint holds; some providers have reported more.
_BIGINT_MAX = 2**63 - 1

# How many tokens a provider counts for each of ours.
_RATIOS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.01, 1.02, 1.05, 1.1, 1.25, 1.5, 2, 5)

log = structlog.get_logger()


class UsageQuarantine:
    """The port `Quarantine`."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", background: Background, registry: CollectorRegistry
    ) -> None:
        """Keep figures in this database, beside everything else."""
        self._pool = pool
        self._background = background
        self._absurd = Counter(
            "queqiao_usage_set_aside", "Provider usage figures that could not be true.", ["model"], registry=registry
        )
        self._ratio = Histogram(
            "queqiao_usage_reported_to_counted",
            "Tokens that a provider reported for each one that we counted, of believable figures.",
            ["model", "direction"],
            registry=registry,
            buckets=_RATIOS,
        )

    def compared(self, question: Question, model: Model, reported: Usage, ours: Usage, *, set_aside: bool) -> None:
        """Count the difference; keep what was not believed."""
        if not set_aside:
            for direction, theirs, counted in (
                ("input", reported.input, ours.input),
                ("output", reported.output, ours.output),
            ):
                if counted:
                    self._ratio.labels(model.id, direction).observe(theirs / counted)
            return
        self._absurd.labels(model.id).inc()
        log.warning("usage of a provider set aside", model=model.id, request_id=question.request_id)
        self._background.start(self._put(question, model, reported, ours))

    async def _put(self, question: Question, model: Model, reported: Usage, ours: Usage) -> None:
        figures = (reported.input, reported.cached_input, reported.output, ours.input, ours.output)
        bounded = [max(-_BIGINT_MAX, min(figure, _BIGINT_MAX)) for figure in figures]
        try:
            await self._pool.execute(_PUT, question.ledger_id, question.user_id, model.id, *bounded)
        except FAILED as error:
            log.warning("usage not quarantined", error=type(error).__name__)
