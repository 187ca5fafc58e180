"""`queqiao models` and `queqiao models check`: what is offered, known and priced, and why something is not."""

import asyncio
from typing import Annotated

import typer
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc
from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.chat.config import CommandSettings
from services.runtime.channels import Peer
from services.runtime.config import load
from services.runtime.tls import tls_files
from services.runtime.trace import Telemetry

_TIMEOUT_S = 10.0

# The price of every model that has none of its own.
_ANY = "*"

app = typer.Typer()
models = typer.Typer(help="What models are offered, known and priced.", invoke_without_command=True)
app.add_typer(models, name="models")


@models.callback()
def list_(context: typer.Context) -> None:
    """List the models that providers offer, whether models.toml knows them, and whether they have a price."""
    if context.invoked_subcommand is not None:
        return
    listed, prices = asyncio.run(_asked())
    for position, model in enumerate(listed.models):
        priced = _priced(model, prices)
        known = "known" if model.known else "figures of [default]"
        default = ", default" if position == 0 else ""
        typer.echo(f"{model.id:<32} {model.context_tokens:>8} tokens  {known}, {priced}{default}")
    for model_id in listed.unlisted:
        typer.echo(f"{model_id:<32} known, offered by no provider")


@models.command()
def check(
    strict: Annotated[bool, typer.Option(help="Fail also for models that no provider lists.")] = False,
) -> None:
    """Compare models.toml and the price book with what providers list; exit status 1 when something cannot be asked."""
    listed, prices = asyncio.run(_asked())
    problems = [
        f"{model.id} is offered and has no price: add one with `queqiao prices set --model {model.price} …`."
        for model in listed.models
        if model.price not in prices and _ANY not in prices
    ]
    notes = [f"{model_id} is known and no provider lists it." for model_id in listed.unlisted]
    offered = {model.price for model in listed.models}
    notes += [f"{name} has a price and no provider lists it." for name in sorted(prices - offered - {_ANY})]
    for line in (*problems, *notes):
        typer.echo(line)
    if problems or (strict and notes):
        raise typer.Exit(1)
    if not notes:
        typer.echo("Everything that is offered is priced, and everything known is offered.")


def _priced(model: chat_pb2.Model, prices: frozenset[str]) -> str:
    if model.price in prices:
        return "priced" if model.price == model.id else f"priced as {model.price}"
    return "priced as *" if _ANY in prices else "no price: it is refused"


async def _asked() -> tuple[chat_pb2.ListModelsResponse, frozenset[str]]:
    """What providers list, and the names of all prices.

    Raises:
        ServiceError: A service does not answer.
    """
    settings = load(CommandSettings)
    chat = Peer("chat", settings.chat_target, Telemetry(None), tls=tls_files(settings))
    billing = Peer("billing", settings.billing_target, Telemetry(None), tls=tls_files(settings))
    try:
        listed = await chat.unary(
            chat_pb2_grpc.ChatServiceStub(chat.channel).ListModels, chat_pb2.ListModelsRequest(), timeout_s=_TIMEOUT_S
        )
        priced = await billing.unary(
            billing_pb2_grpc.BillingServiceStub(billing.channel).ListPrices,
            billing_pb2.ListPricesRequest(),
            timeout_s=_TIMEOUT_S,
        )
    finally:
        await chat.close()
        await billing.close()
    return listed, frozenset(price.model for price in priced.prices)
