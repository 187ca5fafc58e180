"""For who answers for content: what is refused, by whom, and what nobody judged."""

from k8s.monitoring.dashboards.model import Dashboard, Query, Row, Unit, figures, lines, per_minute, quantile, rate

_TEXTS = Row(
    "Texts",
    (
        lines(
            "Texts judged a second",
            "Questions, and windows of answers.",
            Unit.PER_SECOND,
            Query(rate("queqiao_moderation_checks_total", "direction"), "{{direction}}"),
        ),
        lines(
            "Findings a minute, by layer and action",
            "Refused, referred to the remote layers, or only noted.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_moderation_findings_total", "layer", "action"), "{{layer}} {{action}}"),
        ),
        lines(
            "Refused a minute, by label",
            "What is refused most.",
            Unit.PER_MINUTE,
            Query(
                per_minute("queqiao_moderation_findings_total", "label", where='{action="refused"}'),
                "{{label}}",
            ),
        ),
        lines(
            "Turns refused a minute",
            "retract: what had been shown was taken back.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_turns_refused_total", "layer", "action"), "{{layer}} {{action}}"),
        ),
        lines(
            "Wait for the verdict on a question",
            "How long the first text was there before the remote layers' verdict.",
            Unit.SECONDS,
            *(Query(quantile(s, "queqiao_verdict_wait_seconds"), f"p{s * 100:g}") for s in (0.5, 0.95)),
        ),
    ),
)

_LAYERS = Row(
    "Remote layers",
    (
        lines(
            "Time, p95",
            "By layer and what came of it.",
            Unit.SECONDS,
            Query(quantile(0.95, "queqiao_moderation_layer_seconds", "layer", "outcome"), "{{layer}} {{outcome}}"),
        ),
        lines(
            "Answers a second",
            "By layer and outcome.",
            Unit.PER_SECOND,
            Query(rate("queqiao_moderation_layer_seconds_count", "layer", "outcome"), "{{layer}} {{outcome}}"),
        ),
        lines(
            "Not judged a minute, by why",
            "The layer was down, slow, or over its quota.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_moderation_layer_down_total", "layer", "why"), "{{layer}} {{why}}"),
        ),
        lines(
            "Not judged a minute, by consequence",
            "open: the text passed; closed: it was refused for now; next: the next layer was asked.",
            Unit.PER_MINUTE,
            Query(
                per_minute("queqiao_moderation_layer_unjudged_total", "layer", "consequence"),
                "{{layer}} {{consequence}}",
            ),
        ),
        lines(
            "Breaker open",
            "1 while a layer is not asked.",
            Unit.COUNT,
            Query("max by (layer) (queqiao_moderation_layer_breaker_open)", "{{layer}}"),
        ),
        lines(
            "Known verdicts a second",
            "Texts that need not be asked for again.",
            Unit.PER_SECOND,
            Query(rate("queqiao_moderation_layer_cache_hits_total", "layer"), "{{layer}}"),
        ),
    ),
)

_LEXICON = Row(
    "Lexicon and audit",
    (
        lines(
            "Lexicon, p99",
            "Time for the texts of one request.",
            Unit.SECONDS,
            Query(quantile(0.99, "queqiao_moderation_lexicon_seconds", "direction"), "{{direction}}"),
        ),
        figures(
            "Entries",
            "Of the lexicon in force; replicas that differ have not reloaded.",
            Unit.COUNT,
            Query("max(queqiao_lexicon_entries)", "most"),
            Query("min(queqiao_lexicon_entries)", "least"),
        ),
        figures(
            "Version of the stored lists",
            "In force.",
            Unit.COUNT,
            Query("max(queqiao_lexicon_stored_version)", "newest"),
            Query("min(queqiao_lexicon_stored_version)", "oldest"),
        ),
        figures(
            "Lists that cannot be taken up",
            "1 while the newest state is wrong and the one before it stays in force.",
            Unit.COUNT,
            Query("max(queqiao_lexicon_problem)", "problem"),
        ),
        lines(
            "Audit: written and lost a minute",
            "By why it was lost.",
            Unit.PER_MINUTE,
            Query("60 * sum(rate(queqiao_moderation_audit_written_total[$__rate_interval]))", "written"),
            Query(per_minute("queqiao_moderation_audit_dropped_total", "why"), "lost: {{why}}"),
        ),
        lines(
            "Audit: waiting",
            "Findings that wait to be written.",
            Unit.COUNT,
            Query("sum(queqiao_moderation_audit_waiting)", "waiting"),
        ),
    ),
)

MODERATION = Dashboard(
    "queqiao-moderation",
    "Queqiao · moderation",
    "What is refused, by which layer; layers that are down; the lexicon and the audit.",
    (_TEXTS, _LAYERS, _LEXICON),
)
