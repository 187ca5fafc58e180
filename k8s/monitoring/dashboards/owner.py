"""For the owner: who comes, what they ask, what money it makes and costs."""

from k8s.monitoring.dashboards.model import Dashboard, Query, Row, Unit, figures, lines, per_minute


def _moved(kind: str) -> str:
    return f'max(queqiao_moved_24h_micro_yuan{{kind="{kind}"}}) / 1e6'


_PEOPLE = Row(
    "People and questions, last 24 hours",
    (
        figures(
            "Users",
            "Active users asked something, new ones were given trial credit, paying ones topped up.",
            Unit.COUNT,
            Query("max by (seen) (queqiao_users_24h)", "{{seen}}"),
        ),
        figures(
            "Questions",
            "Charged turns, by who answered them.",
            Unit.COUNT,
            Query("max by (source) (queqiao_questions_24h)", "{{source}}"),
        ),
        figures(
            "Cost per thousand questions",
            "What providers charge × 1,000 ÷ questions; the cache and a model of our own cost nothing.",
            Unit.YUAN,
            Query("max(queqiao_cost_per_thousand_questions_cny)", "¥ per 1,000"),
        ),
    ),
)

_MONEY = Row(
    "Money",
    (
        figures(
            "In, last 24 hours",
            "What users paid, and what they were given back.",
            Unit.YUAN,
            Query(_moved("topup"), "topped up"),
            Query(_moved("refund"), "refunded"),
        ),
        figures(
            "Used and cost, last 24 hours",
            "What turns were charged, and what providers charge us for them. The difference is the margin.",
            Unit.YUAN,
            Query(_moved("turn"), "charged"),
            Query(_moved("cost"), "providers"),
            Query(f"{_moved('turn')} - {_moved('cost')}", "margin"),
        ),
        figures(
            "Given away, last 24 hours",
            "Trial credit of new users, and grants.",
            Unit.YUAN,
            Query(_moved("trial"), "trial"),
            Query(_moved("grant"), "granted"),
        ),
        lines(
            "Charged an hour",
            "At the rate of the last minutes.",
            Unit.YUAN,
            Query("sum(rate(queqiao_charged_micro_yuan_total[$__rate_interval])) * 3600 / 1e6", "charged"),
        ),
        lines(
            "Cost per thousand questions over time",
            "It rises with dearer models and longer questions, and falls with cache hits.",
            Unit.YUAN,
            Query("max(queqiao_cost_per_thousand_questions_cny)", "¥ per 1,000"),
        ),
    ),
)

_USE = Row(
    "Use",
    (
        lines(
            "Turns a minute, by how they ended",
            "Rejected is a user's own mistake or an empty wallet; failed is ours or a provider's.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_turns_total", "outcome"), "{{outcome}}"),
        ),
        lines(
            "Tokens a minute",
            "Of completed turns.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_tokens_total", "direction"), "{{direction}}"),
        ),
        lines(
            "Orders a minute, by event",
            "Announced to WeChat, paid, or closed unpaid.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_orders_total", "event"), "{{event}}"),
        ),
        lines(
            "Answers from the cache",
            "Share of the questions that may share an answer.",
            Unit.SHARE,
            Query(
                'sum(rate(queqiao_answer_cache_lookups_total{found=~"process|redis|flight"}[$__rate_interval])) / '
                'sum(rate(queqiao_answer_cache_lookups_total{found!="bypass"}[$__rate_interval]))',
                "hits",
            ),
        ),
        lines(
            "Saved by the cache an hour",
            "What its answers were charged when a model wrote them.",
            Unit.YUAN,
            Query("sum(rate(queqiao_answer_cache_saved_micro_yuan_total[$__rate_interval])) * 3600 / 1e6", "saved"),
        ),
    ),
)

OWNER = Dashboard(
    "queqiao-owner",
    "Queqiao · owner",
    "Users, questions, money in and out, cost per thousand questions, what the cache saves.",
    (_PEOPLE, _MONEY, _USE),
    hours=24,
)
