"""`queqiao turns reverse`, `queqiao receipt`, `queqiao usage`."""

from typing import Annotated

import typer
from queqiao.billing.v1 import billing_pb2

from services.billing.commands import wallets
from services.billing.commands.client import User, run
from services.billing.commands.texts import dollars, facts, last_days, moment, percent, table, timestamp, word, yuan

app = typer.Typer()
turns = typer.Typer(help="Correct what turns were charged.", no_args_is_help=True)
app.add_typer(turns, name="turns")

Turn = Annotated[str, typer.Option(help="The turn's request id.")]

_DAYS_MAX = 366


@turns.command()
def reverse(user: User, request_id: Turn) -> None:
    """Give back what a settled turn was charged; the provider's cost stays ours."""
    request = billing_pb2.ReverseTurnRequest(user_id=user, request_id=request_id)
    response = run(lambda billing: billing.call(billing.wallets.ReverseTurn, request))
    typer.echo(f"Gave back {yuan(response.returned_micros)}.\n{wallets.state(response.wallet)}")


@app.command()
def receipt(user: User, request_id: Turn) -> None:
    """Explain what a turn cost."""
    request = billing_pb2.GetReceiptRequest(user_id=user, request_id=request_id)
    typer.echo(_explained(run(lambda billing: billing.call(billing.wallets.GetReceipt, request)).receipt))


@app.command()
def usage(
    user: User,
    days: Annotated[int, typer.Option(min=1, max=_DAYS_MAX, help="How many days back, today included.")] = 30,
) -> None:
    """Add up a user's charged turns by day (UTC+8) and model, the newest day first."""
    start, end = last_days(days)
    request = billing_pb2.GetUsageRequest(user_id=user, start_time=timestamp(start), end_time=timestamp(end))
    lines = run(lambda billing: billing.call(billing.wallets.GetUsage, request)).lines
    if not lines:
        typer.echo(f"{user}: nothing was charged since {start:%Y-%m-%d}.")
        return
    rows = [(line.day, line.model, *_amounts(line)) for line in lines]
    total = billing_pb2.UsageLine(
        turns=sum(line.turns for line in lines),
        input_tokens=sum(line.input_tokens for line in lines),
        cached_input_tokens=sum(line.cached_input_tokens for line in lines),
        output_tokens=sum(line.output_tokens for line in lines),
        charged_micros=sum(line.charged_micros for line in lines),
    )
    columns = ("day", "model", ">turns", ">input tokens", ">of them cached", ">output tokens", ">charged")
    typer.echo(table(columns, [*rows, ("total", "", *_amounts(total))]))


def _amounts(line: billing_pb2.UsageLine) -> tuple[str, ...]:
    counts = (line.turns, line.input_tokens, line.cached_input_tokens, line.output_tokens)
    return (*map(str, counts), yuan(line.charged_micros))


def _explained(receipt: billing_pb2.Receipt) -> str:
    used, price = receipt.usage, receipt.price
    tokens: tuple[tuple[str, str], ...] = ()
    if receipt.HasField("usage"):
        tokens = (
            ("input tokens", f"{used.input_tokens}, of them cached {used.cached_input_tokens}"),
            ("output tokens", str(used.output_tokens)),
        )
    return facts(
        ("turn", receipt.request_id),
        ("model", receipt.model),
        ("state", word(receipt, "state")),
        ("outcome", word(receipt, "outcome") if receipt.outcome else "-"),
        ("answered by", word(receipt, "source")),
        ("began", moment(receipt, "create_time")),
        ("closed", moment(receipt, "close_time")),
        *tokens,
        ("input price", f"{dollars(price.input_usd_micros_per_million)} a million tokens"),
        ("cached price", f"{dollars(price.cached_input_usd_micros_per_million)} a million tokens"),
        ("output price", f"{dollars(price.output_usd_micros_per_million)} a million tokens"),
        ("exchange rate", f"{yuan(price.cny_micros_per_usd)} a dollar"),
        ("markup", percent(price.markup_basis_points)),
        ("set aside", yuan(receipt.reserved_micros)),
        ("charged", yuan(receipt.charged_micros)),
    )
