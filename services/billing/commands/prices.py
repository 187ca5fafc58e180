"""`queqiao prices list`, `queqiao prices set`, `queqiao prices rate`."""

from datetime import datetime
from typing import Annotated

import typer
from queqiao.billing.v1 import billing_pb2, books_pb2

from services.billing.commands.client import run
from services.billing.commands.texts import CHINA, dollars, moment, percent, scaled, table, timestamp, yuan

_MICRO_PLACES = 6
_BASIS_POINT_PLACES = 2

app = typer.Typer()
prices = typer.Typer(help="Read and extend the price book.", no_args_is_help=True)
app.add_typer(prices, name="prices")


def _micros(text: str) -> int:
    return scaled(text, _MICRO_PLACES)


def _basis_points(text: str) -> int:
    return scaled(text.removesuffix("%"), _BASIS_POINT_PLACES)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time, such as 2026-12-01T00:00:00+08:00.") from None
    return time if time.tzinfo else time.replace(tzinfo=CHINA)


Source = Annotated[str, typer.Option(help="Where the figures come from, for the books.")]


@prices.command(name="list")
def list_() -> None:
    """List what models cost now, in dollars for a million tokens."""
    request = billing_pb2.ListPricesRequest()
    response = run(lambda billing: billing.call(billing.wallets.ListPrices, request))
    rows = [
        (
            price.model,
            dollars(price.input_usd_micros_per_million),
            dollars(price.cached_input_usd_micros_per_million),
            dollars(price.output_usd_micros_per_million),
            percent(price.markup_basis_points),
            yuan(price.cny_micros_per_usd),
            moment(price, "effective_time"),
        )
        for price in response.prices
    ]
    columns = ("model", ">input", ">cached input", ">output", ">markup", ">a dollar", "since")
    typer.echo(table(columns, rows))
    typer.echo(f"\nExchange rate: {response.exchange_rate_source}, since {moment(response, 'exchange_rate_time')}.")


@prices.command(name="set")
def set_(
    model: Annotated[str, typer.Option(help="The model, or * for every model without a price of its own.")],
    input_: Annotated[
        int, typer.Option("--input", parser=_micros, metavar="DOLLARS", help="For a million tokens sent.")
    ],
    cached_input: Annotated[
        int, typer.Option(parser=_micros, metavar="DOLLARS", help="For a million that the provider had cached.")
    ],
    output: Annotated[int, typer.Option(parser=_micros, metavar="DOLLARS", help="For a million that came back.")],
    markup: Annotated[int, typer.Option(parser=_basis_points, metavar="PERCENT", help="Ours, such as 20%.")],
    source: Source,
    own_model: Annotated[
        bool, typer.Option("--own-model", help="It is ours and costs us nothing by the token.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            parser=_time,
            metavar="TIME",
            help="Since when, by ISO 8601; UTC+8 unless it says.",
            show_default="now",
        ),
    ] = None,
) -> None:
    """Append a price, which holds for turns that begin after it."""
    request = books_pb2.SetPriceRequest(
        model=model,
        input_usd_micros_per_million=input_,
        cached_input_usd_micros_per_million=cached_input,
        output_usd_micros_per_million=output,
        markup_basis_points=markup,
        source=source,
        effective_time=timestamp(since) if since else None,
        own_model=own_model,
    )
    run(lambda billing: billing.call(billing.books.SetPrice, request))
    typer.echo(
        f"{model} costs {dollars(input_)} sent, {dollars(cached_input)} sent and cached, {dollars(output)} received, "
        f"a million tokens, with {percent(markup)} markup, from {since.isoformat() if since else 'now'} on."
    )


@prices.command()
def rate(
    cny: Annotated[int, typer.Option(parser=_micros, metavar="YUAN", help="Yuan for a dollar, such as 7.10.")],
    source: Source,
) -> None:
    """Append an exchange rate, which holds for turns and orders that begin after it."""
    request = books_pb2.SetExchangeRateRequest(cny_micros_per_usd=cny, source=source)
    run(lambda billing: billing.call(billing.books.SetExchangeRate, request))
    typer.echo(f"A dollar is {yuan(cny)} from now on.")
