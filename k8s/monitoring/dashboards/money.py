"""For who keeps the books: does the ledger hold, does money arrive."""

from k8s.monitoring.dashboards.model import Dashboard, Query, Row, Unit, figures, lines, per_minute, quantile, rate

_PROOF = Row(
    "Proof of the ledger",
    (
        figures(
            "Ledger",
            "1: the last verification found nothing.",
            Unit.COUNT,
            Query("min(queqiao_ledger_ok)", "in order"),
        ),
        figures(
            "Findings",
            "Of the last verification, by check.",
            Unit.COUNT,
            Query("max by (check) (queqiao_ledger_findings)", "{{check}}"),
        ),
        figures(
            "Verified",
            "Time since the last verification, and how long it took.",
            Unit.SECONDS,
            Query("time() - max(queqiao_ledger_verified_timestamp_seconds)", "ago"),
            Query("max(queqiao_ledger_verify_seconds)", "took"),
        ),
        lines(
            "Findings over time",
            "Anything above 0 is a drift.",
            Unit.COUNT,
            Query("max by (check) (queqiao_ledger_findings)", "{{check}}"),
        ),
    ),
)

_WRITES = Row(
    "Writes",
    (
        lines(
            "Writes a second, by kind",
            "Reserve and Settle are turns, Charge is a hit of the cache, Expire a reservation that nobody closed.",
            Unit.PER_SECOND,
            Query(rate("queqiao_ledger_operations_total", "kind"), "{{kind}}"),
        ),
        lines(
            "Writes a second that did not simply succeed",
            "By result: REPLAYED is a repetition, INSUFFICIENT_QUOTA an empty wallet.",
            Unit.PER_SECOND,
            Query(
                rate("queqiao_ledger_operations_total", "kind", "result", where='{result!="OK"}'), "{{kind}} {{result}}"
            ),
        ),
        lines(
            "Transaction",
            "Time of one group commit.",
            Unit.SECONDS,
            *(Query(quantile(s, "queqiao_ledger_batch_seconds"), f"p{s * 100:g}") for s in (0.5, 0.95, 0.99)),
        ),
        lines(
            "Writes in a transaction",
            "More under load.",
            Unit.COUNT,
            *(Query(quantile(s, "queqiao_ledger_batch_size"), f"p{s * 100:g}") for s in (0.5, 0.95)),
        ),
    ),
)

_RESERVATIONS = Row(
    "Reservations",
    (
        lines(
            "Open",
            "As many as turns run; overdue ones are swept within seconds.",
            Unit.COUNT,
            Query("max(queqiao_reservations_open)", "open"),
            Query("max(queqiao_reservations_overdue)", "overdue"),
        ),
        lines(
            "Held",
            "What open reservations hold of wallets.",
            Unit.YUAN,
            Query("max(queqiao_reservations_open_micro_yuan) / 1e6", "held"),
        ),
        lines(
            "Age of the oldest",
            "Longer than the longest turn means that somebody does not close them.",
            Unit.SECONDS,
            Query("max(queqiao_reservations_oldest_age_seconds)", "oldest"),
        ),
        lines(
            "Expired a minute",
            "Nobody closed them: chat crashed, or could not reach billing.",
            Unit.PER_MINUTE,
            Query("60 * sum(rate(queqiao_reservations_expired_total[$__rate_interval]))", "expired"),
        ),
        lines(
            "Turns charged less than they used",
            "They used more than was reserved for them, and were charged no more than that.",
            Unit.PER_MINUTE,
            Query("60 * sum(rate(queqiao_ledger_clamped_settles_total[$__rate_interval]))", "clamped"),
        ),
    ),
)

_PAYMENTS = Row(
    "Payments",
    (
        lines(
            "Orders a minute",
            "By channel and event.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_orders_total", "channel", "event"), "{{channel}} {{event}}"),
        ),
        lines(
            "Callbacks a minute",
            "By result: accepted, replayed, later, or why one was refused.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_payment_callbacks_total", "provider", "result"), "{{provider}} {{result}}"),
        ),
        lines(
            "Refunds a minute",
            "By event.",
            Unit.PER_MINUTE,
            Query(per_minute("queqiao_refunds_total", "event"), "{{event}}"),
        ),
        lines(
            "Incidents",
            "What a provider said that does not fit our books, since the start of each replica.",
            Unit.COUNT,
            Query("sum by (provider, problem) (queqiao_payment_incidents_total)", "{{provider}} {{problem}}"),
        ),
        figures(
            "Reconciliation: differences",
            "Between the last bill that was compared and our books.",
            Unit.COUNT,
            Query("max by (provider) (queqiao_reconciliation_differences)", "{{provider}}"),
        ),
        figures(
            "Reconciliation: age",
            "Time since the begin of the last day that was compared; about two days when all is well.",
            Unit.SECONDS,
            Query("time() - max by (provider) (queqiao_reconciliation_day_timestamp_seconds)", "{{provider}}"),
        ),
        figures(
            "Age of the exchange rate",
            "Of the rate that turns are priced with.",
            Unit.SECONDS,
            Query("max(queqiao_exchange_rate_age_seconds)", "age"),
        ),
    ),
)

MONEY = Dashboard(
    "queqiao-money",
    "Queqiao · money",
    "Ledger drift, reservations, orders, reconciliation.",
    (_PROOF, _WRITES, _RESERVATIONS, _PAYMENTS),
)
