"""`queqiao ledger verify`, `queqiao costs`."""

from typing import Annotated

import typer
from queqiao.billing.v1 import books_pb2

from services.billing.commands.client import run
from services.billing.commands.texts import facts, last_days, table, timestamp, yuan

app = typer.Typer()
ledger = typer.Typer(help="Prove that the ledger is right.", no_args_is_help=True)
app.add_typer(ledger, name="ledger")

# The service reads a hundred thousand entries in a few seconds.
_VERIFY_TIMEOUT_S = 3_600.0
_DAYS_MAX = 366


@ledger.command()
def verify() -> None:
    """Recompute the ledger from its first entry; the exit status is 1 when anything is wrong."""
    request = books_pb2.VerifyLedgerRequest()
    report = run(lambda billing: billing.call(billing.books.VerifyLedger, request, timeout_s=_VERIFY_TIMEOUT_S))
    typer.echo(facts(("entries", str(report.transfers)), ("wallets", str(report.wallets))))
    balances = [(balance.account, yuan(balance.balance_micros)) for balance in report.balances]
    sum_micros = sum(balance.balance_micros for balance in report.balances)
    typer.echo("\n" + table(("account", ">balance"), [*balances, ("sum", yuan(sum_micros))]))
    heads = [(str(head.chain_id), str(head.length), head.sha256) for head in report.heads]
    typer.echo("\n" + table((">chain", ">entries", "SHA-256 of the last entry"), heads))
    if report.findings:
        findings = [(finding.check, finding.subject, finding.message) for finding in report.findings]
        typer.echo("\n" + table(("check", "subject", "finding"), findings))
    if not report.ok:
        typer.echo(f"\nThe ledger is wrong: {len(report.findings)} findings.")
        raise typer.Exit(1)
    typer.echo("\nThe ledger is right.")


@app.command()
def costs(
    days: Annotated[int, typer.Option(min=1, max=_DAYS_MAX, help="How many days back, today included.")] = 7,
) -> None:
    """Say what a thousand questions cost us, and why."""
    start, end = last_days(days)
    request = books_pb2.GetCostsRequest(start_time=timestamp(start), end_time=timestamp(end))
    costs = run(lambda billing: billing.call(billing.books.GetCosts, request))
    by_providers = costs.questions - costs.cached_questions - costs.own_model_questions
    typer.echo(
        facts(
            ("from", start.isoformat(timespec="seconds")),
            ("until", end.isoformat(timespec="seconds")),
            ("questions", str(costs.questions)),
            ("  by providers", str(by_providers)),
            ("  by the cache", str(costs.cached_questions)),
            ("  by our models", str(costs.own_model_questions)),
            ("charged to users", yuan(costs.revenue_micros)),
            ("provider cost", yuan(costs.provider_cost_micros)),
            ("per thousand", _formula(costs)),
        )
    )


def _formula(costs: books_pb2.GetCostsResponse) -> str:
    if not costs.questions:
        return "no question was charged"
    return (
        f"{yuan(costs.provider_cost_micros)} × 1000 ÷ {costs.questions} questions "
        f"= {yuan(costs.cost_per_thousand_micros)}"
    )
