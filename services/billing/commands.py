"""Billing's commands of `queqiao`."""

import asyncio
from typing import Annotated

import typer
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc

from services.billing.config import CommandSettings
from services.billing.money import micros_from_yuan, yuan_from_micros
from services.runtime.channels import Peer
from services.runtime.trace import Telemetry

_TIMEOUT_S = 10.0

app = typer.Typer(help="Credit and wallets.")
credit = typer.Typer(help="Give credit.", no_args_is_help=True)
wallet = typer.Typer(help="Look at wallets.", no_args_is_help=True)
app.add_typer(credit, name="credit")
app.add_typer(wallet, name="wallet")

User = Annotated[str, typer.Option(help="The user's id, as GET /v1/me answers it.")]


@credit.command()
def grant(
    user: User,
    yuan: Annotated[str, typer.Option(help="How much, in yuan, such as 9.99.")],
    request_id: Annotated[str, typer.Option(help="Makes the grant happen once: repeat it with the same id.")],
    reason: Annotated[str, typer.Option(help="Why, for the books.")] = "",
) -> None:
    """Give a user credit that was not paid for."""
    try:
        amount_micros = micros_from_yuan(yuan)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--yuan") from None
    request = billing_pb2.GrantCreditRequest(
        request_id=request_id, user_id=user, amount_micros=amount_micros, reason=reason
    )
    _say(asyncio.run(_grant(request)))


@wallet.command()
def show(user: User) -> None:
    """Show a user's wallet."""
    _say(asyncio.run(_show(billing_pb2.GetWalletRequest(user_id=user))))


async def _grant(request: billing_pb2.GrantCreditRequest) -> billing_pb2.Wallet:
    peer = _billing()
    try:
        stub = billing_pb2_grpc.BillingServiceStub(peer.channel)
        return (await peer.unary(stub.GrantCredit, request, timeout_s=_TIMEOUT_S)).wallet
    finally:
        await peer.close()


async def _show(request: billing_pb2.GetWalletRequest) -> billing_pb2.Wallet:
    peer = _billing()
    try:
        stub = billing_pb2_grpc.BillingServiceStub(peer.channel)
        return (await peer.unary(stub.GetWallet, request, timeout_s=_TIMEOUT_S)).wallet
    finally:
        await peer.close()


def _billing() -> Peer:
    target = CommandSettings().billing_target
    return Peer("billing", target, Telemetry(None))


def _say(wallet: billing_pb2.Wallet) -> None:
    typer.echo(
        f"{wallet.user_id}: balance ¥{yuan_from_micros(wallet.balance_micros)}, "
        f"reserved ¥{yuan_from_micros(wallet.reserved_micros)}, "
        f"available ¥{yuan_from_micros(wallet.available_micros)}"
    )
