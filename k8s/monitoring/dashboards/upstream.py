"""For who answers for models: which provider is slow, failing, or left alone."""

from k8s.monitoring.dashboards.model import Dashboard, Query, Row, Unit, figures, lines, per_minute, quantile, rate

_CALLS = Row(
    "Calls",
    (
        lines(
            "Calls a second",
            "By provider.",
            Unit.PER_SECOND,
            Query(rate("queqiao_upstream_calls_total", "provider"), "{{provider}}"),
        ),
        lines(
            "Calls a second that did not complete",
            "By provider and why.",
            Unit.PER_SECOND,
            Query(
                rate("queqiao_upstream_calls_total", "provider", "outcome", where='{outcome!="completed"}'),
                "{{provider}} {{outcome}}",
            ),
        ),
        lines(
            "Failing",
            "Share of a provider's calls that failed by its fault.",
            Unit.SHARE,
            Query("queqiao:upstream_failures:ratio_rate5m", "{{provider}}"),
            limit=0.2,
        ),
        lines(
            "First piece",
            "From a call to the first piece of its answer.",
            Unit.SECONDS,
            *(
                Query(quantile(s, "queqiao_upstream_first_token_seconds", "provider"), f"{{{{provider}}}} p{s * 100:g}")
                for s in (0.5, 0.95)
            ),
        ),
    ),
)

_RESILIENCE = Row(
    "Resilience",
    (
        lines(
            "Breaker open",
            "1 while a key, or the whole provider (all), is left alone.",
            Unit.COUNT,
            Query("max by (provider, key) (queqiao_upstream_breaker_open)", "{{provider}} {{key}}"),
        ),
        lines(
            "Failovers a minute",
            "Questions that went on elsewhere.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_upstream_failovers_total", "provider"), "{{provider}}"),
        ),
        lines(
            "Hedges a minute",
            "Questions that a second provider was asked because the first was late.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_upstream_hedges_total", "provider"), "{{provider}}"),
        ),
        lines(
            "Turns that failed a second",
            "After all providers were tried.",
            Unit.PER_SECOND,
            Query('sum(rate(queqiao_turns_total{outcome="failed"}[$__rate_interval]))', "failed"),
        ),
    ),
)

_USAGE = Row(
    "Usage",
    (
        lines(
            "Tokens a second",
            "Of completed turns.",
            Unit.PER_SECOND,
            Query(rate("queqiao_tokens_total", "direction"), "{{direction}}"),
        ),
        lines(
            "Reported for each token that we counted",
            "The median, by model and direction; far from 1 means another tokenizer, or a wrong bill.",
            Unit.COUNT,
            Query(quantile(0.5, "queqiao_usage_reported_to_counted", "model", "direction"), "{{model}} {{direction}}"),
            limit=1.0,
        ),
        lines(
            "Usage set aside",
            "Figures that could not be true, since the start of each replica.",
            Unit.COUNT,
            Query("sum by (model) (queqiao_usage_set_aside_total)", "{{model}}"),
        ),
        figures(
            "Turns running",
            "At the chat service.",
            Unit.COUNT,
            Query("sum(queqiao_turns_live)", "turns"),
        ),
    ),
)

UPSTREAM = Dashboard(
    "queqiao-upstream",
    "Queqiao · upstream",
    "Providers and keys: calls, failures, first piece, breakers, failover, hedging, usage.",
    (_CALLS, _RESILIENCE, _USAGE),
)
